package kafkatopic_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A quota of the brokers on changes says when it allows the next one.
func TestAThrottledCreateSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
		response.ThrottleMillis = 7000
		topic := kmsg.NewCreateTopicsResponseTopic()
		topic.Topic, topic.ErrorCode = "orders", 89 // THROTTLING_QUOTA_EXCEEDED
		response.Topics = append(response.Topics, topic)
		return response, nil, true
	})
	body := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},"spec":{"clusterRef":{"name":"` + k.Object.Name + `"},"partitions":3,"replicas":2}}`
	// What a client does that is told to come back is its own business here.
	err := server.Client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").Body([]byte(body)).MaxRetries(0).Do(t.Context()).Error()
	expectStatus(t, err, 429, "THROTTLING_QUOTA_EXCEEDED")
	if after, told := apierrors.SuggestsClientDelay(err); !told || after != 7 {
		t.Errorf("to come back after %d seconds, want 7", after)
	}
	expectNothing(t, k, "orders")
}
