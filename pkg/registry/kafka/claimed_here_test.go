package kafka_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// bodyOf is an object as JSON.
func bodyOf(kind, name, spec string) []byte {
	return []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"` + kind + `","metadata":{"name":"` + name + `"},"spec":` + spec + `}`)
}

// liveRequests are those that ask the brokers of a Kafka, or have them do something, and store nothing. topic is a KafkaTopic beside it.
func liveRequests(k *v1beta1.Kafka, topic string) map[string]*rest.Request {
	request := func(verb, resource, name string, body ...byte) *rest.Request {
		r := server.Client.KafkaV1beta1().RESTClient().Verb(verb).Namespace(k.Namespace).Resource(resource).Name(name)
		if len(body) > 0 {
			r = r.SetHeader("Content-Type", "application/json").Body(body)
		}
		return r
	}
	group := k.Name + ".group"
	return map[string]*rest.Request{
		"brokers":          request("GET", "kafkas", k.Name).SubResource("brokers"),
		"topics":           request("GET", "kafkas", k.Name).SubResource("topics"),
		"a group":          request("GET", "kafkaconsumergroups", group),
		"offsets":          request("GET", "kafkaconsumergroups", group).SubResource("offsets"),
		"a reset":          request("PUT", "kafkaconsumergroups", group, bodyOf("KafkaConsumerGroupOffsets", group, `{"reset":[{"topic":"orders","to":"earliest"}]}`)...).SubResource("offsets"),
		"partitions":       request("GET", "kafkatopics", topic).SubResource("partitions"),
		"configs":          request("GET", "kafkatopics", topic).SubResource("configs"),
		"scale of a topic": request("GET", "kafkatopics", topic).SubResource("scale"),
		"log":              request("GET", "kafkatopics", topic).SubResource("log"),
		"records":          request("POST", "kafkatopics", topic, bodyOf("KafkaTopicRecords", topic, `{"records":[{"value":"x"}]}`)...).SubResource("records"),
		"elect":            request("POST", "kafkatopics", topic, bodyOf("KafkaTopicElection", topic, `{}`)...).SubResource("elect"),
		"truncate":         request("POST", "kafkatopics", topic, bodyOf("KafkaTopicTruncation", topic, `{"partitions":[{"partition":0,"beforeOffset":1}]}`)...).SubResource("truncate"),
	}
}

// A Kafka that is not started because its cluster is another's is refused as one that is: it is not away, and does not come up by waiting.
func TestLiveRequestsToAClaimedKafkaThatIsRunHere(t *testing.T) {
	t.Parallel()
	const id = "claimed-and-run-here-0"
	first := introduce(t, somebody(t, server.Namespace()), id)
	second := somebody(t, server.Namespace())
	// A topic comes before the Kafka is found to be another's.
	if err := makeTopic(t, server.Client, second, "before"); err != nil {
		t.Fatal(err)
	}
	topics := server.Client.KafkaV1beta1().KafkaTopics(second.Namespace)
	if got := introduce(t, second, id); got.Status.ClusterID != "" || readyReason(got) != "False ClusterClaimed" {
		t.Fatalf("the second is %+v", got.Status)
	}
	client := server.Client.KafkaV1beta1().RESTClient()
	requests := liveRequests(second, "before")
	requests["scale"] = client.Get().Namespace(second.Namespace).Resource("kafkas").Name(second.Name).SubResource("scale")
	requests["fewer brokers"] = client.Patch(types.MergePatchType).Namespace(second.Namespace).Resource("kafkas").Name(second.Name).Body([]byte(`{"spec":{"brokers":{"replicas":1}}}`))
	requests["a change of a topic"] = client.Patch(types.MergePatchType).Namespace(second.Namespace).Resource("kafkatopics").Name("before").Body([]byte(`{"spec":{"partitions":2}}`))
	requests["an apply of another"] = client.Patch(types.ApplyPatchType).Namespace(second.Namespace).Resource("kafkatopics").Name("new").Param("fieldManager", "test").
		Body(bodyOf("KafkaTopic", "new", `{"clusterRef":{"name":"`+second.Name+`"},"partitions":1,"replicas":1}`))
	for what, r := range requests {
		t.Run(what, func(t *testing.T) {
			expectStatus(t, r.Do(t.Context()).Error(), 403, `"`+second.Name+`" is forbidden`, "another Kafka", `"own"`)
		})
	}
	t.Run("a topic", func(t *testing.T) {
		expectStatus(t, makeTopic(t, server.Client, second, "created"), 403, "another Kafka", `"own"`)
	})
	if list, err := topics.List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
		t.Errorf("the topics are %+v, %v", list, err)
	}
	// What is not its own any more can be given up.
	if err := topics.Delete(t.Context(), "before", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	// The first is not up, and nobody else's.
	_, err := kafkas(first.Namespace).GetBrokers(t.Context(), first.Name, metav1.GetOptions{})
	expectStatus(t, err, 503)
}
