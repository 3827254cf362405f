package kafkatopic_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// keepTopics makes brokers that have delete.topic.enable=false.
func keepTopics(k *apiservertest.Kafka) {
	k.ControlKey(32, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.DescribeConfigsRequest)
		if len(asked.Resources) != 1 || asked.Resources[0].ResourceType != kmsg.ConfigResourceTypeBroker {
			return nil, nil, false
		}
		entry := kmsg.NewDescribeConfigsResponseResourceConfig()
		entry.Name, entry.Value, entry.Source = "delete.topic.enable", ptr.To("false"), kmsg.ConfigSourceStaticBrokerConfig
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, asked.Resources[0].ResourceName
		resource.Configs = append(resource.Configs, entry)
		response := asked.ResponseKind().(*kmsg.DescribeConfigsResponse)
		response.Resources = append(response.Resources, resource)
		return response, nil, true
	})
	k.ControlKey(20, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.DeleteTopicsRequest)
		response := asked.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range asked.Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.TopicID, answer.ErrorCode, answer.ErrorMessage = topic.TopicID, 73, ptr.To("Topic deletion is disabled.")
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}

// Brokers that delete no topics are told of, and keep no name from the next object.
func TestATopicThatTheBrokersKeepCanBeAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	keepTopics(k)
	client, warnings := server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "the topic stays") || !strings.Contains(text, "delete.topic.enable=false") {
		t.Errorf("the warning of a dry run is %q", text)
	}
	client, warnings = server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "its topic stays") || !strings.Contains(text, "deletion is disabled") {
		t.Errorf("the warning of the delete is %q", text)
	}
	again := mustCreate(t, newTopic(k, "orders"))
	expectReady(t, again, metav1.ConditionTrue, "Ready")
	if again.Status.TopicID != topic.Status.TopicID {
		t.Errorf("the topic is %s, want the one that stayed, %s", again.Status.TopicID, topic.Status.TopicID)
	}
}

// The same when the brokers are away at the delete: the claim that waits for them goes when they refuse.
func TestATopicThatTheBrokersKeepLaterCanBeAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	keepTopics(k)
	k.Refuse()
	mustDelete(t, topic)
	k.Return()
	apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if again := mustCreate(t, newTopic(k, "orders")); again.Status.TopicID != topic.Status.TopicID {
		t.Errorf("the topic is %s, want the one that stayed, %s", again.Status.TopicID, topic.Status.TopicID)
	}
}
