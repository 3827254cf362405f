package validation

import "k8s.io/apimachinery/pkg/util/validation/field"

// ratchet leaves out what was wrong before and still is as it was: rules get stricter, versions leave the table, and an object that
// was accepted once can still be labelled, finalized and changed in everything else. before is judged only when there is a problem.
func ratchet(problems field.ErrorList, before func() field.ErrorList) field.ErrorList {
	if len(problems) == 0 {
		return nil
	}
	// The words of a problem name its field and the value.
	known, counts := map[string]bool{}, map[string]int{}
	for _, problem := range before() {
		known[problem.Error()] = true
		if count, ok := tooMany(problem); ok {
			counts[problem.Field] = count
		}
	}
	var news field.ErrorList
	for _, problem := range problems {
		// Fewer than there were is a step in the right direction.
		count, ok := tooMany(problem)
		if !known[problem.Error()] && !(ok && count < counts[problem.Field]) {
			news = append(news, problem)
		}
	}
	return news
}

func tooMany(problem *field.Error) (count int, ok bool) {
	if problem.Type != field.ErrorTypeTooMany {
		return 0, false
	}
	count, ok = problem.BadValue.(int)
	return count, ok
}
