package kafkatopic_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Whoever deletes an object that has not got the topic of its name is told that this stays, by a dry run and by the real delete alike.
func TestADeleteTellsWhatStaysAsItsDryRunDoes(t *testing.T) {
	t.Parallel()
	deletes := func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicDelete }
	for name, arrange := range map[string]func(*testing.T) (*apiservertest.Kafka, *v1beta1.KafkaTopic){
		"of nobody": func(t *testing.T) (*apiservertest.Kafka, *v1beta1.KafkaTopic) {
			k := server.NewKafka(t, 3)
			k.CreateTopic(t, "orders", 4, 2)
			return k, storedAway(t, k, k, deletes)
		},
		"of an object on another Kafka": func(t *testing.T) (*apiservertest.Kafka, *v1beta1.KafkaTopic) {
			k := server.NewKafka(t, 3)
			twin := twinOf(t, server, k)
			mustCreate(t, newTopic(k, "orders"))
			return k, storedAway(t, k, twin, deletes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, topic := arrange(t)
			topics.SetConditions(&topic.Status.Conditions, topics.Exists("somebody's"), "", topic.Generation, time.Now())
			if _, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			have := k.Topics(t)["orders"].ID
			client, warnings := server.Warned(t)
			var said []string
			for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
				if err := client.KafkaV1beta1().KafkaTopics(topic.Namespace).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: dryRun}); err != nil {
					t.Fatal(err)
				}
				said = append(said, onlyWarning(t, warnings))
			}
			if said[0] != said[1] || !strings.Contains(said[0], "the topic stays") {
				t.Errorf("the dry run says %q, the delete %q", said[0], said[1])
			}
			if now := k.Topics(t)["orders"].ID; now != have {
				t.Errorf("the brokers have topic %q, want %s", now, have)
			}
		})
	}
}
