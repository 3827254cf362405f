package validation

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// An object that was accepted under other rules is refused nothing but what breaks the rules anew.
func TestOnlyWhatChangesIsJudged(t *testing.T) {
	old := newKafka(func(s *kafka.KafkaSpec) {
		s.Version = "4.2.0"
		s.Brokers.Config = map[string]string{"broker.id": "7", "log.retention.ms": "1"}
		s.Brokers.JVM = &kafka.JVMSpec{}
		for i := range 200 {
			s.Brokers.JVM.Options = append(s.Brokers.JVM.Options, fmt.Sprint("-Da", i))
		}
	})
	if errs := ValidateKafka(old); len(errs) != 3 {
		t.Fatalf("want three things that are wrong: %v", errs)
	}
	for _, tc := range []struct {
		name   string
		change func(*kafka.Kafka)
		want   []refusal
	}{
		{"a label", func(k *kafka.Kafka) { k.Labels = map[string]string{"a": "b"} }, nil},
		{"a finalizer", func(k *kafka.Kafka) { k.Finalizers = []string{"example.com/f"} }, nil},
		{"another part of the spec", func(k *kafka.Kafka) { k.Spec.Brokers.Replicas = ptr.To[int32](5) }, nil},
		{"the next setting", func(k *kafka.Kafka) { k.Spec.Brokers.Config["log.retention.ms"] = "2" }, nil},
		{"fewer, still too many", func(k *kafka.Kafka) { k.Spec.Brokers.JVM.Options = k.Spec.Brokers.JVM.Options[:150] }, nil},
		{"a version that is known", func(k *kafka.Kafka) { k.Spec.Version = "4.3.1" }, nil},
		{"another one that is not", func(k *kafka.Kafka) { k.Spec.Version = "4.1.0" }, []refusal{{"spec.version", "4.1.0"}}},
		{"one more", func(k *kafka.Kafka) { k.Spec.Brokers.JVM.Options = append(k.Spec.Brokers.JVM.Options, "-Db") },
			[]refusal{{"spec.brokers.jvm.options", "at most 128"}}},
		{"something else that is wrong", func(k *kafka.Kafka) { k.Spec.Brokers.Config["node.id"] = "1" }, []refusal{{"spec.brokers.config[node.id]", "itself"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := old.DeepCopy()
			tc.change(next)
			expect(t, ValidateKafkaUpdate(next, old), tc.want...)
		})
	}
	topic := newTopic(func(topic *kafka.KafkaTopic) {
		topic.Spec.ClusterRef.Name = "UPPER case"
		topic.Spec.Config = map[string]string{"leader.replication.throttled.replicas": "*"}
	})
	next := topic.DeepCopy()
	next.Labels, next.Spec.Partitions = map[string]string{"a": "b"}, ptr.To[int32](9)
	expect(t, ValidateKafkaTopicUpdate(next, topic))
	next.Spec.Config["leader.replication.throttled.replicas"] = "0:0"
	next.Spec.Config[""] = "a"
	expect(t, ValidateKafkaTopicUpdate(next, topic), refusal{"spec.config", "needs a name"})
}

func TestConditionsOfAStatusAreJudged(t *testing.T) {
	good := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready", LastTransitionTime: metav1.Now()}
	for _, tc := range []struct {
		name   string
		change func(*metav1.Condition)
		want   []refusal
	}{
		{"as the controllers write them", func(*metav1.Condition) {}, nil},
		{"a type with spaces", func(c *metav1.Condition) { c.Type = "very ready" }, []refusal{{"status.conditions[0].type", "must consist of"}}},
		{"a long type", func(c *metav1.Condition) { c.Type = strings.Repeat("a", 400) }, []refusal{{"status.conditions[0].type", "63"}}},
		{"no status", func(c *metav1.Condition) { c.Status = "" }, []refusal{{"status.conditions[0].status", ""}}},
		{"a status of one's own", func(c *metav1.Condition) { c.Status = "Perhaps" }, []refusal{{"status.conditions[0].status", `"False", "True", "Unknown"`}}},
		{"no reason", func(c *metav1.Condition) { c.Reason = "" }, []refusal{{"status.conditions[0].reason", ""}}},
		{"a sentence as reason", func(c *metav1.Condition) { c.Reason = "it is so" }, []refusal{{"status.conditions[0].reason", "alphabetic"}}},
		{"a long reason", func(c *metav1.Condition) { c.Reason = strings.Repeat("a", 2000) }, []refusal{{"status.conditions[0].reason", "1024"}}},
		{"no time", func(c *metav1.Condition) { c.LastTransitionTime = metav1.Time{} }, []refusal{{"status.conditions[0].lastTransitionTime", ""}}},
		{"a negative generation", func(c *metav1.Condition) { c.ObservedGeneration = -1 }, []refusal{{"status.conditions[0].observedGeneration", "zero"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			condition := good
			tc.change(&condition)
			old := newKafka(nil)
			k := old.DeepCopy()
			k.Status.Conditions = []metav1.Condition{condition}
			expect(t, ValidateKafkaStatusUpdate(k, old), tc.want...)
			// Another field of a status can be written although its conditions are older than the rule.
			again := k.DeepCopy()
			again.Status.ObservedGeneration++
			expect(t, ValidateKafkaStatusUpdate(again, k))
			before := newTopic(nil)
			topic := before.DeepCopy()
			topic.Status.Conditions = k.Status.Conditions
			expect(t, ValidateKafkaTopicStatusUpdate(topic, before), tc.want...)
		})
	}
	k := newKafka(nil)
	k.Status.Conditions = []metav1.Condition{good, good}
	expect(t, ValidateKafkaStatusUpdate(k, newKafka(nil)), refusal{"status.conditions[1]", "Ready"})
	for i := range 40 {
		next := good
		next.Type = fmt.Sprint("T", i)
		k.Status.Conditions = append(k.Status.Conditions, next)
	}
	expect(t, ValidateKafkaStatusUpdate(k, newKafka(nil)), refusal{"status.conditions", "at most 32"})
}

func TestMessagesAreCutBetweenCharacters(t *testing.T) {
	conditions := []metav1.Condition{{Message: "short"}, {Message: strings.Repeat("ü", 4000)}}
	CutMessages(conditions)
	if got := conditions[1].Message; conditions[0].Message != "short" || len(got) > 4096 || len(got) < 4000 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
