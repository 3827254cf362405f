//go:build integration

package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The clocks of API server and controllers jump, each on its own, while topics are created, grown and deleted on real brokers. A real
// process cannot be given another clock, so these run in the test.
func TestClocksThatJump(t *testing.T) {
	t.Parallel()
	clock, theirs := &apiservertest.Clock{}, &apiservertest.Clock{}
	server, err := apiservertest.Start(apiservertest.Options{Clock: clock, Gateway: &broker.Options{Clock: clock}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	// Brokers are shared with the other tests: the names of topics begin with the namespace.
	n := cluster.Namespace(t)
	_, err = server.Client.KafkaV1beta1().Kafkas(n).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: cluster.Kafka.Bootstrap()}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gateway := broker.New(broker.Options{ClientID: "controllers", Clock: theirs})
	controller, err := topic.New(topic.Config{Kafka: server.Client, Clock: theirs,
		Connect: func(target broker.Target) topic.Cluster { return gateway.Cluster(target) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { gateway.Run(ctx) })
	running.Go(func() { controller.Run(ctx) })
	defer running.Wait()
	defer cancel()

	work := startWorkload(t, server.Client, n)
	// Each jump meets writes that are under way, and others go well after it.
	next := func(what string) {
		t.Helper()
		before := len(work.made())
		harness.Eventually(t, agreeWithin, "topics are created "+what, func() string {
			if now := len(work.made()); now < before+3 {
				return fmt.Sprintf("%d of 3", now-before)
			}
			return ""
		})
	}
	next("before clocks jump")
	was := ids(t, server.Client, n)
	// A process reads how long things take from a clock that does not jump (package time, "Monotonic Clocks"), and this one takes that
	// along: what was due before a jump back waits for that time to come again. So the last jump of the controllers is beyond all others.
	for _, jump := range []struct{ servers, controllers time.Duration }{
		{3 * time.Hour, 0}, {-6 * time.Hour, 0}, {0, 3 * time.Hour}, {0, -6 * time.Hour}, {48 * time.Hour, -48 * time.Hour}, {-45 * time.Hour, 105 * time.Hour},
	} {
		clock.Step(jump.servers)
		theirs.Step(jump.controllers)
		next(fmt.Sprintf("after a jump by %s and %s", jump.servers, jump.controllers))
	}
	work.stop()
	harness.Eventually(t, agreeWithin, "objects and brokers agree", func() string { return settled(t, server.Client, n, cluster.Kafka) })
	expectKept(t, work, was)
	// What is done outside is left to the controllers, who look every 30 seconds.
	lost := work.kept()[0]
	before := ids(t, server.Client, n)[lost]
	topicTool(t, cluster.Kafka, "--delete --topic "+lost)
	harness.Eventually(t, 3*agreeWithin, "a topic that was deleted outside is made again", func() string {
		if now := ids(t, server.Client, n)[lost]; now == before {
			object, err := server.Client.KafkaV1beta1().KafkaTopics(n).Get(t.Context(), lost, metav1.GetOptions{})
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("its object has the old id, and says %+v", object.Status.Conditions)
		}
		return settled(t, server.Client, n, cluster.Kafka)
	})
	for _, name := range work.kept() {
		if err := server.Client.KafkaV1beta1().KafkaTopics(n).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
	harness.Eventually(t, agreeWithin, "the topics of deleted objects are gone", func() string { return settled(t, server.Client, n, cluster.Kafka) })
}
