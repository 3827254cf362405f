package kafkaconfig

import "testing"

func TestSameValue(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"1000", "1000", true}, {"1000", " 1000 ", true}, {"0100", "100", true}, {"0.50", "0.5", true}, {"1", "1.0", true},
		{"TRUE", "true", true}, {"compact, delete", "compact,delete", true}, {"", "", true},
		{"9223372036854775807", "9223372036854775806", false}, {"delete,compact", "compact,delete", false},
		{"Producer", "producer", false}, {"", "0", false}, {"1e999999999", "2e999999999", false}, {"nan", "nan", true},
	} {
		if got := SameValue(tc.a, tc.b); got != tc.same {
			t.Errorf("SameValue(%q, %q) = %v, want %v", tc.a, tc.b, got, tc.same)
		}
	}
}
