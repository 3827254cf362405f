package kafkatopic_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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

// Nothing is deleted by a name alone, and what an object has not got is not deleted when its brokers are back: both are told, by a dry run and
// by the real delete, whether brokers can be asked or not.
func TestADeleteTellsWhatStaysWithoutItsBrokers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arrange func(*testing.T, *apiservertest.Kafka) *v1beta1.KafkaTopic
		want    string
	}{
		"without an id": {func(t *testing.T, k *apiservertest.Kafka) *v1beta1.KafkaTopic {
			release27(t, k)
			return mustCreate(t, newTopic(k, "orders"))
		}, "gave it no id"},
		"of nobody": {func(t *testing.T, k *apiservertest.Kafka) *v1beta1.KafkaTopic {
			k.CreateTopic(t, "orders", 4, 2)
			return reported(t, storedAway(t, k, k), topics.Exists("somebody's"))
		}, "has not taken it over"},
		"another": {func(t *testing.T, k *apiservertest.Kafka) *v1beta1.KafkaTopic {
			topic := mustCreate(t, newTopic(k, "orders"))
			k.DeleteTopic(t, "orders")
			k.CreateTopic(t, "orders", 4, 2)
			return reported(t, topic, topics.Verdict{Status: metav1.ConditionFalse, Reason: topics.ReasonTopicReplaced})
		}, "another than the "},
	} {
		for _, away := range []bool{false, true} {
			t.Run(map[bool]string{false: name, true: name + ", away"}[away], func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				topic := tc.arrange(t, k)
				have := k.Topics(t)["orders"].ID
				if away {
					k.Refuse()
				}
				client, warnings := server.Warned(t)
				for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
					if err := client.KafkaV1beta1().KafkaTopics(topic.Namespace).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: dryRun}); err != nil {
						t.Fatal(err)
					}
					said := strings.Join(warnings.Take(), "; ")
					if !strings.Contains(said, "topic stays") || !strings.Contains(said, tc.want) || strings.Contains(said, "would be deleted") || strings.Contains(said, "adoptTopicID") {
						t.Errorf("dry run %v: %q", dryRun, said)
					}
				}
				if now := k.Topics(t)["orders"].ID; now != have {
					t.Errorf("the brokers have topic %q, want %q", now, have)
				}
			})
		}
	}
}

// reported is a topic with a verdict in its status.
func reported(t *testing.T, topic *v1beta1.KafkaTopic, verdict topics.Verdict) *v1beta1.KafkaTopic {
	t.Helper()
	topics.SetConditions(&topic.Status.Conditions, verdict, "", topic.Generation, time.Now())
	topic, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// Where another cluster answers than the Kafka's, what waits is told as that: brokers can be reached, and what an object had may stay where it is.
func TestWritesOfAReplacedClusterSayWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	site, other := server.NewKafka(t, 3), server.NewKafka(t, 3)
	kafkas := server.Client.KafkaV1beta1().Kafkas(site.Object.Namespace)
	k, err := kafkas.Get(t.Context(), site.Object.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "BrokersReady"})
	if _, err = kafkas.UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	topic := mustCreate(t, newTopic(site, "orders"))
	site.LeadTo(other)
	client, warnings := server.Warned(t)
	expect := func(what string, words ...string) {
		t.Helper()
		said := onlyWarning(t, warnings)
		for _, word := range append(words, "another cluster answers", "spec.external.clusterID") {
			if !strings.Contains(said, word) {
				t.Errorf("%s says %q, want %q", what, said, word)
			}
		}
		if strings.Contains(said, "not reachable") || strings.Contains(said, "can be reached") || strings.Contains(said, "brokers are back") {
			t.Errorf("%s says of brokers that are reached: %q", what, said)
		}
	}
	made, err := create(client, newTopic(site, "more"))
	if err != nil {
		t.Fatal(err)
	}
	expect("a create", "stored, and carried out later")
	expectReady(t, made, metav1.ConditionFalse, "ClusterReplaced")
	changed, err := topicsOf(client, site).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"partitions":6}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect("a change", "stored, and carried out later")
	expectReady(t, changed, metav1.ConditionFalse, "ClusterReplaced")
	if err := topicsOf(client, site).Delete(t.Context(), topic.Name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	expect("a dry run of a delete", "would be deleted when the Kafka's own cluster answers again", "stays in that")
	if err := topicsOf(client, site).Delete(t.Context(), topic.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect("a delete", "its topic is deleted when the Kafka's own cluster answers again", "stays in that")
}
