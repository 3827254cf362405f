// Package plural has words agree with how many they are about, in texts that people read.
package plural

import "fmt"

// Number counts something.
type Number interface{ ~int | ~int32 | ~int64 }

// Word is the word for one of something, or for any other number of it.
func Word[N Number](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Of is a number with what it counts: Of(n, "broker is", "brokers are").
func Of[N Number](n N, one, many string) string { return fmt.Sprintf("%d %s", n, Word(n, one, many)) }

// All is Of for all there are: "the broker is", "all 3 brokers are".
func All[N Number](n N, one, many string) string {
	if n == 1 {
		return "the " + one
	}
	return "all " + Of(n, one, many)
}
