package external

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A right that the account lacks is told before somebody needs it, and keeps nothing from serving that does not.
func TestMissingRightsAreACondition(t *testing.T) {
	const all = kafkaerr.MayCreate | kafkaerr.MayAlter | kafkaerr.MayDescribe | kafkaerr.MayDescribeConfigs
	answer := func(may *kafkaerr.Operations) said {
		return said{ClusterInfo: broker.ClusterInfo{ID: "abc", Brokers: []broker.BrokerInfo{{ID: 0}}, Authorized: may}}
	}
	k := newKafka()
	for _, tc := range []struct {
		name     string
		may      *kafkaerr.Operations
		status   metav1.ConditionStatus
		messages []string
	}{
		{"all", ptr.To(all), metav1.ConditionTrue, []string{"has the rights"}},
		{"topics' own Create stands for it", ptr.To(all &^ kafkaerr.MayCreate), metav1.ConditionTrue, []string{"has the rights", "only on which it has Create"}},
		{"some", ptr.To(kafkaerr.MayDescribe), metav1.ConditionFalse,
			[]string{"Alter (electing leaders, moving partitions)", "DescribeConfigs (telling before a delete", "only on which it has Create"}},
		{"none", ptr.To(kafkaerr.Operations(0)), metav1.ConditionFalse, []string{"Describe (sizes on disk", "do not tell which others"}},
		{"not told", nil, "", nil},
	} {
		k.Status = status(k, answer(tc.may), nil, begin)
		if !meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionReady) || !meta.IsStatusConditionFalse(k.Status.Conditions, v1beta1.ConditionDegraded) {
			t.Errorf("%s: %+v", tc.name, k.Status.Conditions)
		}
		is := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionAuthorized)
		if is == nil {
			is = &metav1.Condition{}
		}
		if is.Status != tc.status {
			t.Errorf("%s: %+v", tc.name, is)
		}
		if tc.status == metav1.ConditionFalse && is.Reason != reasonMissing {
			t.Errorf("%s: %+v", tc.name, is)
		}
		for _, message := range tc.messages {
			if !strings.Contains(is.Message, message) {
				t.Errorf("%s: %q does not say %q", tc.name, is.Message, message)
			}
		}
		if again := status(k, answer(tc.may), nil, begin.Add(time.Hour)); !equality.Semantic.DeepEqual(again, k.Status) {
			t.Errorf("%s: the same answer makes another status: %+v", tc.name, again)
		}
	}

	k.Status = status(k, answer(ptr.To(kafkaerr.MayDescribe)), nil, begin)
	k.Status = status(k, said{}, errors.New("nobody is there"), begin)
	if !meta.IsStatusConditionFalse(k.Status.Conditions, v1beta1.ConditionAuthorized) {
		t.Errorf("what was known is forgotten: %+v", k.Status.Conditions)
	}
}
