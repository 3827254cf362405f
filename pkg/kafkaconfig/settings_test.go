package kafkaconfig

import (
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
)

func TestBrokerProblem(t *testing.T) {
	for _, tc := range []struct{ release, name, value, problem string }{
		{"4.3.1", "num.io.threads", "8", ""},
		{"4.3.1", "num.io.threads", " +8 ", ""},
		{"4.3.1", "num.io.threads", "abc", "whole number of at least 1"},
		{"4.3.1", "num.io.threads", "", "whole number"},
		{"4.3.1", "num.io.threads", "8.0", "whole number"},
		{"4.3.1", "num.io.threads", "0", "of at least 1"},
		{"4.3.1", "num.io.threads", "3000000000", "32 bits"},
		{"4.3.1", "log.retention.bytes", "3000000000", ""},
		{"4.3.1", "log.retention.bytes", "9223372036854775808", "64 bits"},
		{"4.3.1", "offsets.topic.replication.factor", "40000", "16 bits"},
		{"4.3.1", "log.cleaner.min.cleanable.ratio", "0.5", ""},
		{"4.3.1", "log.cleaner.min.cleanable.ratio", "0.5d", ""},
		{"4.3.1", "log.cleaner.min.cleanable.ratio", "1.5", "number from 0 to 1"},
		{"4.3.1", "log.cleaner.min.cleanable.ratio", "half", "number"},
		{"4.3.1", "auto.create.topics.enable", "TRUE", ""},
		{"4.3.1", "auto.create.topics.enable", "yes", "true or false"},
		{"4.3.1", "log.cleanup.policy", "compact, delete", ""},
		{"4.3.1", "log.cleanup.policy", "compact,shred", "list of compact, delete"},
		{"4.3.1", "compression.type", "zstd", ""},
		{"4.3.1", "compression.type", "ZSTD", "one of gzip, lz4"},
		{"4.3.1", "group.consumer.migration.policy", "bidirectional", ""},
		{"4.3.1", "group.consumer.migration.policy", "sideways", "one of BIDIRECTIONAL"},
		{"4.3.1", "metric.reporters", "com.example.Reporter", ""},
		// Plugins have settings of their own, and variables stand for anything.
		{"4.3.1", "not.a.setting", "abc", ""},
		{"4.3.1", "num.io.threads", "${env:THREADS}", ""},
		// Each release has its own.
		{"3.9.2", "zookeeper.session.timeout.ms", "soon", "Kafka 3.9.2 wants a whole number"},
		{"4.3.1", "zookeeper.session.timeout.ms", "soon", ""},
		{"1.0", "num.io.threads", "abc", ""},
	} {
		got := BrokerProblem(tc.release, tc.name, tc.value)
		if (got == "") != (tc.problem == "") || !strings.Contains(got, tc.problem) {
			t.Errorf("%s %s=%q: %q, want %q", tc.release, tc.name, tc.value, got, tc.problem)
		}
	}
}

func TestEachReleaseHasATable(t *testing.T) {
	for _, release := range kafkaversion.Known() {
		settings, ok := ofRelease(release)
		if !ok || len(settings) < 300 {
			t.Errorf("Kafka %s has %d settings: export them with hack/brokersettings", release, len(settings))
		}
		for name, s := range settings {
			switch s.kind {
			case "BOOLEAN", "CLASS", "DOUBLE", "INT", "LIST", "LONG", "PASSWORD", "SHORT", "STRING":
			default:
				t.Errorf("Kafka %s: %s is of type %q", release, name, s.kind)
			}
		}
		if !HasBrokerSetting(release, "num.io.threads") || HasBrokerSetting(release, "not.a.setting") {
			t.Error(release)
		}
	}
	if !HasBrokerSetting("1.0", "not.a.setting") {
		t.Error("of a release without a table nothing is unknown")
	}
}
