package validation

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	// maxConditions bounds the conditions of an object, which has a handful.
	maxConditions = 32
	// maxConditionMessage bounds what a condition tells: it is read by people, and is in every copy of the object.
	maxConditionMessage = 4 << 10
)

// CutMessages shortens the messages of conditions that have too many bytes. Who computes conditions and compares them with those that are
// stored cuts them as well: he would write them again for ever.
func CutMessages(conditions []metav1.Condition) {
	for i := range conditions {
		conditions[i].Message = shorten(conditions[i].Message, maxConditionMessage)
	}
}

const (
	// MaxUnreachable bounds the brokers that a status names, maxAddress an address and maxUnreachableMessage what is said of one: whoever answers
	// as an external cluster chooses them.
	MaxUnreachable, maxAddress, maxUnreachableMessage = 10, 300, 1 << 10
)

// CutUnreachable shortens what a status says of brokers that are not reached, as CutMessages does.
func CutUnreachable(brokers []v1beta1.UnreachableBroker) []v1beta1.UnreachableBroker {
	brokers = brokers[:min(len(brokers), MaxUnreachable)]
	for i := range brokers {
		brokers[i].Address, brokers[i].Message = shorten(brokers[i].Address, maxAddress), shorten(brokers[i].Message, maxUnreachableMessage)
	}
	return brokers
}

// validateUnreachable judges the brokers that a status says are not reached.
func validateUnreachable(brokers []kafka.UnreachableBroker, path *field.Path) field.ErrorList {
	if many := atMost(len(brokers), MaxUnreachable, path); many != nil {
		return many
	}
	var errs field.ErrorList
	for i, b := range brokers {
		if len(b.Address) > maxAddress {
			errs = append(errs, field.TooLong(path.Index(i).Child("address"), "", maxAddress))
		}
		if len(b.Message) > maxUnreachableMessage {
			errs = append(errs, field.TooLong(path.Index(i).Child("message"), "", maxUnreachableMessage))
		}
	}
	return errs
}

// validateConditions judges the conditions of a status where they changed.
func validateConditions(conditions, old []metav1.Condition, path *field.Path) field.ErrorList {
	if equality.Semantic.DeepEqual(conditions, old) {
		return nil
	}
	if many := atMost(len(conditions), maxConditions, path); many != nil {
		return many
	}
	return ratchet(metav1validation.ValidateConditions(conditions, path), func() field.ErrorList {
		return metav1validation.ValidateConditions(old, path)
	})
}
