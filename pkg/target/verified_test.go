package target

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Who has no claims to look at goes by what the API server says.
func TestVerified(t *testing.T) {
	verified, all := NewVerified(nil, clocktesting.NewFakePassiveClock(time.Now())), New(nil, clocktesting.NewFakePassiveClock(time.Now()))
	k := &v1beta1.Kafka{Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"a:1"}}}}
	if _, known := verified.Of(k); known {
		t.Error("it is not known which cluster that is")
	}
	if at, known := all.Of(k); !known || at.Gate != nil {
		t.Errorf("%+v, %t", at, known)
	}
	k.Status.ClusterID = "x"
	at, known := verified.Of(k)
	if !known || at.Gate.Admit(t.Context(), "x") != nil || at.Gate.Admit(t.Context(), "y") == nil {
		t.Errorf("%+v, %t", at, known)
	}
	// Who wrote another spec may have no right to that cluster.
	k.Generation = 1
	if _, known := verified.Of(k); known {
		t.Error("the status is about an earlier spec")
	}
	k.Status.ObservedGeneration = 1
	if _, known := verified.Of(k); !known {
		t.Error("the status is about this spec")
	}
	// Another cluster is one that is not reached, and says which it is.
	err := at.Gate.Admit(t.Context(), "y")
	if objections := kafkaerr.SecurityErrors(err); !kafkaerr.IsUnreachable(err) || len(objections) != 1 || objections[0].Reason != kafkaerr.ReasonClusterReplaced ||
		!strings.Contains(objections[0].Text, `"x"`) || !strings.Contains(objections[0].Text, `spec.external.clusterID is "y"`) {
		t.Errorf("another cluster: %v", err)
	}
	// One that the spec names is waited for until the API server says that it is the Kafka's.
	k.Spec.External.ClusterID = "y"
	if _, known := verified.Of(k); known {
		t.Error("whether that cluster may be its own is not known")
	}
	if at, known := all.Of(k); !known || at.Gate.Admit(t.Context(), "y") != nil || at.Gate.Admit(t.Context(), "x") == nil {
		t.Errorf("the API server asks the cluster that is named: %+v, %t", at, known)
	}
	k.Status.ClusterID = "y"
	if at, known := verified.Of(k); !known || at.Gate.Admit(t.Context(), "y") != nil || at.Gate.Admit(t.Context(), "x") == nil {
		t.Errorf("%+v, %t", at, known)
	}
	k.Spec.External.ClusterID = ""
	k.Status.Conditions = append(k.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionReady, Reason: ReasonClusterClaimed})
	if Pinned(k) != "" {
		t.Error("what turned out to be another's is not what the Kafka is")
	}
	if _, known := verified.Of(k); known || !Claimed(k) {
		t.Error("it is another's")
	}
	k.Generation, k.Status.ObservedGeneration = 2, 2
	k.Status.Conditions[0] = metav1.Condition{Type: v1beta1.ConditionReady, Reason: kafkaerr.ReasonAddressNotAllowed, Message: "b:1 is not dialled", ObservedGeneration: 2}
	k.Status.Listeners = []v1beta1.ListenerStatus{{BootstrapServers: strings.Join(k.Spec.External.BootstrapServers, ",")}}
	if why := NotAllowed(k); why == nil || *why != (kafkaerr.SecurityError{Reason: kafkaerr.ReasonAddressNotAllowed, Text: "b:1 is not dialled"}) {
		t.Errorf("its brokers are where none may be: %+v", why)
	}
	if _, known := verified.Of(k); known {
		t.Error("its brokers are where none may be")
	}
	k.Generation, k.Status.ObservedGeneration = 3, 3
	if NotAllowed(k) == nil {
		t.Error("another field of the spec says nothing of where its brokers are")
	}
	k.Spec.External.BootstrapServers = []string{"c:1"}
	if _, known := verified.Of(k); !known || NotAllowed(k) != nil {
		t.Error("that was said of another spec")
	}
	k.Status.Conditions[0] = metav1.Condition{Type: v1beta1.ConditionReady, Reason: kafkaerr.ReasonClusterReplaced, Message: "another answers", ObservedGeneration: 3}
	if _, known := verified.Of(k); known || Barred(k) == nil {
		t.Error("another cluster answers in its place")
	}
	if k.Generation, k.Status.ObservedGeneration = 4, 4; Barred(k) != nil {
		t.Error("another spec may name the cluster that answers")
	}
	k.Status.Conditions[0] = metav1.Condition{Type: v1beta1.ConditionReady, Reason: "BrokersReady"}
	if _, known := verified.Of(k); !known || Claimed(k) {
		t.Error("it is its own")
	}
	here := &v1beta1.Kafka{Status: v1beta1.KafkaStatus{ClusterID: "x", Listeners: []v1beta1.ListenerStatus{{Name: "plain", Addresses: []string{"a:1"}}}}}
	if at, known := verified.Of(here); !known || at.Gate != nil {
		t.Errorf("what is run here is where its controllers say: %+v, %t", at, known)
	}
	here.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Reason: ReasonClusterClaimed}}
	if _, known := verified.Of(here); known {
		t.Error("of two that are run here the second is not asked")
	}
}
