package topic_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
)

// An object that waits because the topic of its name is somebody's says in a sentence what would be accepted, and nothing that would be refused.
func TestWhatIsSaidOfATopicThatIsSomebodys(t *testing.T) {
	server, k, tenant := start(t)
	for _, name := range []string{"same", "differs", "mine"} {
		k.CreateTopic(t, name, 3, 2)
		k.Produce(t, name)
	}
	store(t, server.Client, newTopic(k.Object, "orders"))
	wider := func(on *v1beta1.Kafka, name string) *v1beta1.KafkaTopic {
		topic := newTopic(on, name)
		topic.Spec.Partitions = ptr.To[int32](5)
		return topic
	}
	k.Refuse()
	twin := server.NewKafkaObject(t, server.Namespace(), k.ListenAddrs()...)
	theirs := store(t, server.Client, wider(twin, "orders"))
	tenants := store(t, tenant, newTopic(k.Object, "same"), wider(k.Object, "differs"))
	owners := store(t, server.Client, wider(k.Object, "mine"))
	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	k.Return()
	for name, tc := range map[string]struct {
		of       typed.KafkaTopicInterface
		says     string
		saysNone string
	}{
		"orders":  {theirs, "another Kafka of the same cluster", "to adopt it"},
		"same":    {tenants, `"own"`, "forbidden"},
		"differs": {tenants, `"own"`, "forbidden"},
		"mine":    {owners, "set 3 to adopt it", `"own"`},
	} {
		var message string
		apiservertest.Eventually(t, name+" waits for a person", func() bool {
			got, err := tc.of.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			stalled := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionStalled)
			if stalled == nil || stalled.Reason != "TopicExists" {
				return false
			}
			message = stalled.Message
			return true
		})
		if !strings.Contains(message, tc.says) || strings.Contains(message, tc.saysNone) || strings.HasPrefix(message, "kafkatopics.") {
			t.Errorf("%s says %q", name, message)
		}
	}
}
