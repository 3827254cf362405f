package external

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// unreachable says why a cluster is not reached, in the same words for as long as they are true. An error names addresses in the order
// in which they were tried, and brokers may each have an objection of their own: all of it would be news each time.
func unreachable(k *v1beta1.Kafka, err error) (reason, message string) {
	objections := kafkaerr.SecurityErrors(err)
	if why := target.NotAllowed(k); why != nil && len(objections) == 0 {
		// Where the other brokers are is not found out by one that does not answer now.
		return why.Reason, why.Text
	}
	if len(objections) == 0 {
		return reasonUnreachable, "no broker answers at " + strings.Join(k.Spec.External.BootstrapServers, ",")
	}
	before := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
	for _, objection := range objections {
		if before != nil && before.Reason == objection.Reason && before.Message == objection.Text {
			return before.Reason, before.Message
		}
	}
	return objections[0].Reason, objections[0].Text
}

// status is what the brokers at the bootstrap servers said. Without an answer the last one stands, only that nobody is ready. Of a cluster that is not
// the Kafka's, or must not be, nothing is known.
func status(k *v1beta1.Kafka, info said, err error, now time.Time) v1beta1.KafkaStatus {
	status := *k.Status.DeepCopy()
	servers := k.Spec.External.BootstrapServers
	status.ObservedGeneration = k.Generation
	status.Mode = v1beta1.ModeExternal
	status.Listeners = []v1beta1.ListenerStatus{{Name: listenerName, BootstrapServers: strings.Join(servers, ","), Addresses: servers}}
	ready := metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: reasonUnreachable}
	degraded := metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionFalse, Reason: reasonAsExpected, Message: "the cluster answers"}
	if err != nil {
		ready.Reason, ready.Message = unreachable(k, err)
		status.Brokers.Ready = 0
		if ready.Reason == kafkaerr.ReasonClusterReplaced || ready.Reason == kafkaerr.ReasonAddressNotAllowed {
			status.Brokers, status.UnreachableBrokers = v1beta1.BrokerCounts{}, nil
			meta.RemoveStatusCondition(&status.Conditions, v1beta1.ConditionAuthorized)
		}
		degraded.Status, degraded.Reason, degraded.Message = metav1.ConditionTrue, ready.Reason, ready.Message
	} else {
		var registered int32
		for _, b := range info.Brokers {
			if !b.Fenced {
				registered++
			}
		}
		status.ClusterID = info.ID
		answering := registered - int32(len(info.unreachable))
		status.Brokers = v1beta1.BrokerCounts{Desired: int32(len(info.Brokers)), Registered: registered, Ready: answering}
		status.UnreachableBrokers = validation.CutUnreachable(slices.Clone(info.unreachable))
		ready.Status, ready.Reason = metav1.ConditionTrue, reasonReady
		ready.Message = plural.Of(registered, "broker is registered", "brokers are registered")
		if len(info.unreachable) > 0 {
			ready.Message = fmt.Sprintf("%d of %s", answering,
				plural.Of(registered, "broker answers at the address that it advertises", "brokers answer at the addresses that they advertise"))
			if answering == 0 {
				ready.Status, ready.Reason = metav1.ConditionFalse, target.ReasonBrokersUnreachable
			}
		}
		if reason, message := info.troubles(); message != "" {
			degraded.Status, degraded.Reason, degraded.Message = metav1.ConditionTrue, reason, message
		}
	}
	conditions := []metav1.Condition{ready, degraded}
	switch {
	case err != nil:
		// What was said of the account stands, as the rest does.
	case info.Authorized == nil:
		meta.RemoveStatusCondition(&status.Conditions, v1beta1.ConditionAuthorized)
	default:
		conditions = append(conditions, authorized(*info.Authorized, info.Before28))
	}
	for _, condition := range conditions {
		condition.ObservedGeneration = status.ObservedGeneration
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	validation.CutMessages(status.Conditions)
	return status
}

// troubles are what a cluster that answers lacks all the same, "" for nothing.
func (s said) troubles() (reason, message string) {
	reason = target.ReasonBrokersUnreachable
	var texts []string
	if s.elsewhere != "" {
		reason = kafkaerr.ReasonClusterReplaced
		texts = append(texts, s.elsewhere)
	}
	if s.bootstrap != "" && len(s.unreachable) < len(s.Brokers) {
		texts = append(texts, "no bootstrap server is reached: "+s.bootstrap)
	}
	for _, b := range validation.CutUnreachable(slices.Clone(s.unreachable)) {
		texts = append(texts, fmt.Sprintf("broker %d is not reached at %s, which it advertises: %s", b.ID, b.Address, b.Message))
	}
	if more := len(s.unreachable) - validation.MaxUnreachable; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return reason, strings.Join(texts, "; ")
}
