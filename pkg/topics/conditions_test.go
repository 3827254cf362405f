package topics

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Brokers may say a lot. It is stored cut, and who says it again has to find that nothing has changed.
func TestMessagesHaveABound(t *testing.T) {
	verdict := Verdict{Status: metav1.ConditionFalse, Reason: ReasonNotApplied, Message: strings.Repeat("word ", 100000), Stalled: true,
		DriftReason: ReasonConfigDiffers, Drift: strings.Repeat("setting ", 100000)}
	var conditions []metav1.Condition
	SetConditions(&conditions, verdict, v1beta1.DriftReport, 1, time.Now())
	if len(conditions) != 3 {
		t.Errorf("%d conditions, want 3", len(conditions))
	}
	for _, condition := range conditions {
		if n := len(condition.Message); n > 4096 || n < 4000 {
			t.Errorf("the message of %s has %d bytes", condition.Type, n)
		}
	}
	again := append([]metav1.Condition(nil), conditions...)
	SetConditions(&again, verdict, v1beta1.DriftReport, 1, time.Now())
	if !equality.Semantic.DeepEqual(again, conditions) {
		t.Error("the same verdict makes other conditions")
	}
}
