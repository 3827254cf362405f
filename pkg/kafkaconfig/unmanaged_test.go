package kafkaconfig

import "testing"

func TestIsUnmanaged(t *testing.T) {
	kafka, vendor := []string{"cleanup.policy", "retention.ms"}, []string{"cleanup.policy", "redpanda.remote.read"}
	for _, tc := range []struct {
		key           string
		all, patterns []string
		want          bool
	}{
		{"retention.ms", kafka, nil, false},
		{"cleanup.policy", kafka, nil, false},
		{"cleanup.policy", vendor, nil, true},
		{"retention.ms", vendor, nil, false},
		{"confluent.value.schema.validation", kafka, nil, true},
		{"redpanda.remote.read", vendor, nil, true},
		{"confluentially", kafka, nil, false},
		{"retention.ms", kafka, []string{"retention.ms"}, true},
		{"retention.ms.more", kafka, []string{"retention.ms"}, false},
		{"retention.ms", kafka, []string{"retention.*"}, true},
		{"retention", kafka, []string{"retention.*"}, false},
	} {
		if got := IsUnmanaged(tc.key, tc.all, tc.patterns); got != tc.want {
			t.Errorf("%s of %v with %v: %t", tc.key, tc.all, tc.patterns, got)
		}
	}
}

// No setting of Apache Kafka is left alone by itself.
func TestVendorsSettingsAreNotKafkas(t *testing.T) {
	for _, release := range []string{"3.9.2", "4.3.1"} {
		all, known := ofRelease(release)
		if !known || len(all) == 0 {
			t.Fatalf("%s has no table", release)
		}
		for name := range all {
			if matches(name, vendors) {
				t.Errorf("%s: %s is Kafka's", release, name)
			}
		}
	}
}
