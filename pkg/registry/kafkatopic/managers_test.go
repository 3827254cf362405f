package kafkatopic_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// Two Kafkas are one cluster: either tells which object has a topic, to who may list that object. One that waits for the topic of another has none.
func TestATopicIsManagedByItsObjectOnWhicheverKafka(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	twin := twinOf(t, server, k)
	mustCreate(t, newTopic(k, "orders"))
	mustCreate(t, newTopic(twin, "pay"))
	k.CreateTopic(t, "loose", 1, 1)
	storedAway(t, k, twin)
	ns := map[string]string{"orders": k.Object.Namespace, "pay": twin.Object.Namespace}
	for who, sees := range map[string]string{"an administrator": "", "a tenant of the first": k.Object.Namespace, "a tenant of the second": twin.Object.Namespace} {
		client, _ := server.As(t, func(a authorizer.Attributes) bool {
			return sees == "" || a.GetResource() != "kafkatopics" || a.GetNamespace() == sees
		})
		for _, of := range []*apiservertest.Kafka{k, twin} {
			view, err := client.KafkaV1beta1().Kafkas(of.Object.Namespace).GetTopics(t.Context(), of.Object.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]v1beta1.HostedTopic{}
			for _, topic := range view.Topics {
				seen[topic.Name] = topic
			}
			if seen["loose"].Managed {
				t.Errorf("%s of Kafka %s: %+v", who, of.Object.Namespace, seen["loose"])
			}
			for name, namespace := range ns {
				topic := seen[name]
				told := topic.ManagedBy != nil && *topic.ManagedBy == v1beta1.TopicReference{Namespace: namespace, Name: name}
				if !topic.Managed || told != (sees == "" || sees == namespace) {
					t.Errorf("%s of Kafka %s: %+v", who, of.Object.Namespace, topic)
				}
			}
		}
	}
}
