package validation

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
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
