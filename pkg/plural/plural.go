// Package plural has numbers agree with what they count, in texts that people read.
package plural

import "fmt"

// Of is a number with what it counts, one of it or any other number: Of(n, "broker is", "brokers are").
func Of[N ~int | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
