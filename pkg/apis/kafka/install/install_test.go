package install

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting/roundtrip"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/fuzzer"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Whatever a user writes comes back unchanged from every version and encoding, and from the internal form.
func TestRoundTrip(t *testing.T) {
	roundtrip.RoundTripTestForAPIGroup(t, Install, fuzzer.Funcs)
}

func TestTheServedVersionIsPreferred(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	want := []schema.GroupVersion{v1beta1.SchemeGroupVersion}
	if got := scheme.PrioritizedVersionsForGroup(kafka.GroupName); !slices.Equal(got, want) {
		t.Errorf("versions of %s are %v, want %v", kafka.GroupName, got, want)
	}
}

// A kind that is registered in one version and not in the other cannot be converted, which shows only when it is served.
func TestEveryKindHasBothForms(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	served := scheme.KnownTypes(v1beta1.SchemeGroupVersion)
	for kind := range scheme.KnownTypes(kafka.SchemeGroupVersion) {
		if _, ok := served[kind]; !ok {
			t.Errorf("%s is not in %s", kind, v1beta1.SchemeGroupVersion)
		}
	}
	for _, kind := range []string{"Kafka", "KafkaList", "KafkaBrokers", "KafkaTopic", "KafkaTopicList", "KafkaTopicPartitions",
		"KafkaConsumerGroup", "KafkaConsumerGroupList", "KafkaConsumerGroupOffsets"} {
		if !scheme.Recognizes(kafka.SchemeGroupVersion.WithKind(kind)) {
			t.Errorf("%s has no internal form", kind)
		}
		if !scheme.Recognizes(v1beta1.SchemeGroupVersion.WithKind(kind)) {
			t.Errorf("%s is not served", kind)
		}
	}
}

// Field selectors are a contract with clients: a label that goes away breaks them, and one that is accepted without being
// indexed would select everything.
func TestFieldLabels(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	supported := map[string][]string{
		"Kafka":              {"metadata.name", "metadata.namespace"},
		"KafkaConsumerGroup": {"metadata.name", "metadata.namespace", "spec.clusterRef.name"},
		"KafkaTopic":         {"metadata.name", "metadata.namespace", "spec.clusterRef.name", "spec.clusterRef.namespace"},
	}
	all := []string{"metadata.name", "metadata.namespace", "metadata.uid", "spec.clusterRef.name", "spec.clusterRef.namespace",
		"spec.topicName", "spec.version", "status.topicID", "name", "metadata.labels", ""}
	for kind, labels := range supported {
		for _, label := range all {
			got, value, err := scheme.ConvertFieldLabel(v1beta1.SchemeGroupVersion.WithKind(kind), label, "x")
			switch want := slices.Contains(labels, label); {
			case want && (err != nil || got != label || value != "x"):
				t.Errorf("%s: %s=x became %s=%s, %v", kind, label, got, value, err)
			case !want && err == nil:
				t.Errorf("%s: the selector %q is accepted", kind, label)
			}
		}
	}
}
