package validation

import "k8s.io/apimachinery/pkg/util/validation/field"

// MaxProblems is how many problems of a list of any length are told. Of hundreds of thousands nobody reads more, and to join them into a message
// takes minutes and gigabytes (k8s.io/apimachinery/pkg/util/errors.aggregate.Error).
const MaxProblems = 16

// enough tells whether no more problems are looked for.
func enough(errs field.ErrorList) bool { return len(errs) >= MaxProblems }

// FirstProblems are those that are told.
func FirstProblems(errs field.ErrorList) field.ErrorList { return errs[:min(len(errs), MaxProblems)] }
