package validation

import (
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ratchet leaves out what was wrong before and still is as it was: rules get stricter, versions leave the table, and an object that
// was accepted once can still be labelled, finalized and changed in everything else. before is judged only when there is a problem.
func ratchet(problems field.ErrorList, before func() field.ErrorList) field.ErrorList {
	if len(problems) == 0 {
		return nil
	}
	known, counts := map[string]bool{}, map[string]int{}
	for _, problem := range before() {
		known[sameProblem(problem)] = true
		if count, ok := tooMany(problem); ok {
			counts[problem.Field] = count
		}
	}
	var news field.ErrorList
	for _, problem := range problems {
		// Fewer than there were is a step in the right direction.
		count, ok := tooMany(problem)
		if !known[sameProblem(problem)] && !(ok && count < counts[problem.Field]) {
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

// place is that of an item in a list.
var place = regexp.MustCompile(`\[\d+\]`)

// sameProblem is the same for the same problem of a field with the same value. An item of a list is the same wherever it is.
func sameProblem(problem *field.Error) string {
	return place.ReplaceAllString(problem.Field, "[]") + ": " + problem.ErrorBody()
}
