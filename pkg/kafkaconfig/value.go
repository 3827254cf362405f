package kafkaconfig

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// SameValue tells whether brokers take two texts for the same value of a setting of a topic. They parse what they are given
// (org.apache.kafka.common.config.ConfigDef) and answer with what they understood: text without the spaces around it, true and false in
// lower case, a number in its shortest form, a list without the spaces around its commas and, in newer releases, without an entry that it
// has already (seen on 4.3.1). A text that is taken for another would be set again for ever.
func SameValue(key, a, b string) bool {
	a, b = normal(key, a), normal(key, b)
	if a == b {
		return true
	}
	i, errI := parseWhole(a, 64)
	j, errJ := parseWhole(b, 64)
	if errI == nil && errJ == nil {
		return i == j
	}
	x, errX := parseDouble(a)
	y, errY := parseDouble(b)
	return errX == nil && errY == nil && x == y
}

// unordered are the lists of a topic whose order means nothing.
var unordered = []string{"cleanup.policy"}

func normal(key, value string) string {
	entries := strings.Split(value, ",")
	kept := entries[:0]
	for _, entry := range entries {
		if entry = trim(entry); !slices.Contains(kept, entry) {
			kept = append(kept, entry)
		}
	}
	if slices.Contains(unordered, key) {
		slices.Sort(kept)
	}
	value = strings.Join(kept, ",")
	if lower := strings.ToLower(value); lower == "true" || lower == "false" {
		return lower
	}
	return value
}

// trim is java.lang.String.trim: it takes away everything up to the space, control characters too, and no other spaces.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
}

// parseWhole is java.lang.Long.parseLong, or that of a shorter number. It takes the digits of any script that UTF-16 has in one unit; parseDouble does not.
func parseWhole(text string, bits int) (int64, error) {
	return strconv.ParseInt(strings.Map(func(r rune) rune {
		for _, digits := range unicode.Nd.R16 {
			// Each range begins with a zero.
			if low := rune(digits.Lo); low <= r && r <= rune(digits.Hi) {
				return '0' + (r-low)%10
			}
		}
		return r
	}, text), 10, bits)
}

// parseDouble is java.lang.Double.parseDouble, which allows the suffix of a literal: 0.5d.
func parseDouble(text string) (float64, error) {
	if n := len(text) - 1; n > 0 && strings.ContainsRune("dDfF", rune(text[n])) && strings.ContainsRune("0123456789.", rune(text[n-1])) {
		text = text[:n]
	}
	return strconv.ParseFloat(text, 64)
}
