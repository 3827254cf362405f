package kafkaconsumergroup_test

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// share makes a consumer of a share group that has read a topic, and acknowledged all but the records of its last poll.
func share(t *testing.T, k *apiservertest.Kafka, group, topic string, records int) {
	t.Helper()
	client := newClient(t, k, kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID("app-1"))
	ctx, cancel := context.WithCancel(t.Context())
	ended, read := make(chan struct{}), make(chan int)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if n := client.PollFetches(ctx).NumRecords(); n > 0 {
				select {
				case read <- n:
				case <-ctx.Done():
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	// It joins before anything is written: it begins with what comes.
	apiservertest.Eventually(t, "the share group has partitions", func() bool {
		g, err := groupsOf(server.Client, k).Get(t.Context(), "k."+group, metav1.GetOptions{})
		return err == nil && len(g.Status.Members) == 1 && len(g.Status.Members[0].Assignments) == 1
	})
	apiservertest.Eventually(t, "the share group has begun in all partitions", func() bool {
		view, err := groupsOf(server.Client, k).GetOffsets(t.Context(), "k."+group, metav1.GetOptions{})
		return err == nil && !slices.ContainsFunc(view.Status.Partitions, func(p v1beta1.ConsumerGroupOffset) bool { return p.Committed == nil })
	})
	produce(t, k, topic, 2, records/2)
	for seen := 0; seen < records; {
		seen += <-read
	}
}

// Share groups are looked at, and written by nobody.
func TestAShareGroupIsShown(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(2, "orders"))
	share(t, k, "jobs", "orders", 10)
	list, err := groupsOf(server.Client, k).List(t.Context(), metav1.ListOptions{})
	if err != nil || !slices.Equal(names(list), []string{"k.jobs"}) || list.Items[0].Status.Type != v1beta1.GroupTypeShare || list.Items[0].Status.State != "Stable" {
		t.Fatalf("listed %+v, %v", list, err)
	}
	got, err := groupsOf(server.Client, k).Get(t.Context(), "k.jobs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := got.Status
	if status.State != "Stable" || status.Type != v1beta1.GroupTypeShare || status.ProtocolType != "share" || status.Coordinator != k.CoordinatorFor("jobs") || status.Lag == nil {
		t.Errorf("status is %+v", status)
	}
	if members := status.Members; len(members) != 1 || members[0].ClientID != "app-1" || len(members[0].Assignments) != 1 || !slices.Equal(members[0].Assignments[0].Partitions, []int32{0, 1}) {
		t.Errorf("members are %+v", members)
	}
	view := mustOffsets(t, k, "k.jobs")
	lag := int64(0)
	for _, p := range view.Status.Partitions {
		if p.Topic != "orders" || ptr.Deref(p.EndOffset, -1) != 5 || p.Committed == nil || p.Lag == nil || p.ClientID != "app-1" {
			t.Errorf("partition %+v", p)
			continue
		}
		lag += *p.Lag
	}
	if len(view.Status.Partitions) != 2 || lag != ptr.Deref(view.Status.Lag, -1) {
		t.Errorf("offsets are %+v", view.Status)
	}
	body := []byte(`{"metadata":{"name":"k.jobs"},"spec":{"reset":[{"topic":"orders","to":"earliest"}]}}`)
	err = server.Client.KafkaV1beta1().RESTClient().Put().Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Name("k.jobs").SubResource("offsets").
		Body(body).Do(t.Context()).Error()
	expectStatus(t, err, 422, "another kind: it is share")
	err = server.Client.KafkaV1beta1().RESTClient().Patch(types.MergePatchType).Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Name("k.jobs").SubResource("offsets").
		Body(body).Do(t.Context()).Error()
	expectStatus(t, err, 422, "another kind: it is share")
}
