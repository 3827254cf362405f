package kafkaconfig

import (
	"strconv"
	"strings"
)

// SameValue tells whether brokers take two texts for the same value. They parse what they are given and answer with what they
// understood (org.apache.kafka.common.config.ConfigDef): text without the spaces around it, a list without those around its commas,
// true and false in lower case, a number in its shortest form.
func SameValue(a, b string) bool {
	a, b = normal(a), normal(b)
	if a == b {
		return true
	}
	i, errI := strconv.ParseInt(a, 10, 64)
	j, errJ := strconv.ParseInt(b, 10, 64)
	if errI == nil && errJ == nil {
		return i == j
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

func normal(value string) string {
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	value = strings.Join(parts, ",")
	if lower := strings.ToLower(value); lower == "true" || lower == "false" {
		return lower
	}
	return value
}
