package kafkaconfig

import "testing"

func TestSameValue(t *testing.T) {
	for _, tc := range []struct {
		key, a, b string
		same      bool
	}{
		{"retention.ms", "1000", "1000", true},
		{"retention.ms", "1000", " 1000 ", true},
		{"retention.ms", "1000", "\x00\t1000\x1f", true},
		{"retention.ms", "1000", "\u00a01000", false},
		{"retention.ms", "+0100", "100", true},
		{"retention.ms", "-0", "0", true},
		{"retention.ms", "9223372036854775807", "9223372036854775806", false},
		{"retention.ms", "", "0", false},
		// Java reads the digits of all scripts in whole numbers, but for those beyond UTF-16's first plane, and no others in decimal ones.
		{"retention.ms", "٣٠٠٠٠٠", "300000", true},
		{"retention.ms", "-१२३", "-123", true},
		{"retention.ms", "１９", "19", true},
		{"retention.ms", "٣٠٠٠٠٠", "300001", false},
		{"retention.ms", "𝟏", "1", false},
		{"retention.ms", "²", "2", false},
		{"min.cleanable.dirty.ratio", "٠.٥", "0.5", false},
		{"min.cleanable.dirty.ratio", "0.50", "0.5", true},
		{"min.cleanable.dirty.ratio", ".5", "5.0E-1", true},
		{"min.cleanable.dirty.ratio", "0.5d", "0.5", true},
		{"min.cleanable.dirty.ratio", "1F", "1.0", true},
		{"min.cleanable.dirty.ratio", "0.5", "0.6", false},
		{"min.cleanable.dirty.ratio", "NaN", "NaN", true},
		{"min.cleanable.dirty.ratio", "1e999999999", "2e999999999", false},
		{"preallocate", "TRUE", "true", true},
		{"preallocate", "true", "false", false},
		{"compression.type", "Producer", "producer", false},
		{"compression.type", "", "", true},
		// Brokers of 4.3 leave out what a list has twice.
		{"cleanup.policy", "compact,compact", "compact", true},
		{"cleanup.policy", "compact , delete,compact", "compact,delete", true},
		{"cleanup.policy", "delete,compact", "compact,delete", true},
		{"cleanup.policy", "delete,compact", "compact", false},
		{"cleanup.policy", "", "compact", false},
		// The order of a list that is not known may mean something.
		{"vendor.list", "b,a", "a,b", false},
		{"vendor.list", "b , a, b", "b,a", true},
	} {
		if got := SameValue(tc.key, tc.a, tc.b); got != tc.same {
			t.Errorf("SameValue(%s, %q, %q) = %v, want %v", tc.key, tc.a, tc.b, got, tc.same)
		}
		if got := SameValue(tc.key, tc.b, tc.a); got != tc.same {
			t.Errorf("SameValue(%s, %q, %q) = %v, want %v", tc.key, tc.b, tc.a, got, tc.same)
		}
	}
}
