package kafkatopic_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A topic's status and answers are read by those who may only use its Kafka: they do not say how that is reached.
func TestATopicDoesNotTellHowItsKafkaIsReached(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	k.Refuse()
	client, warnings := server.Warned(t)
	topic, err := create(client, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	user, _ := server.As(t, without("get"))
	_, scaleErr := topicsOf(user, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
	_, viewErr := topicsOf(user, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	for what, text := range map[string]string{
		"the warning": strings.Join(warnings.Take(), "\n"), "the status": fmt.Sprint(topic.Status.Conditions),
		"a scale": fmt.Sprint(scaleErr), "a view": fmt.Sprint(viewErr),
	} {
		if !strings.Contains(text, "no broker answers") {
			t.Errorf("%s does not say what is wrong: %s", what, text)
		}
		if strings.Contains(text, "127.0.0.1") || strings.Contains(text, "refused") {
			t.Errorf("%s says where the brokers are: %s", what, text)
		}
	}
	// Who may see the Kafka is told what its status says, too.
	if _, err := topicsOf(server.Client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{}); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the owner of the Kafka is told %v", err)
	}
}
