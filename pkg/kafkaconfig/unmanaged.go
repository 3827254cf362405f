package kafkaconfig

import (
	"slices"
	"strings"
)

// vendors are the settings that servers of other makes, and services, have on topics beside Apache Kafka's, whose names none of these begins.
// What sets them on every topic sets them again when they are removed.
var vendors = []string{
	"automq.*",    // AutoMQ
	"confluent.*", // Confluent Platform and Cloud
	"redpanda.*",  // Redpanda
	"warpstream.*",
}

// redpanda is how the settings begin that Redpanda tells of each topic. It tells cleanup.policy as the topic's own, too, whoever set it or not.
const redpanda = "redpanda."

// IsUnmanaged tells whether a setting that brokers tell of a topic is left as it is where nobody asks for it. all are the settings that
// they tell of the topic, patterns are further names that are left: whole ones, or the beginning of names before ".*".
func IsUnmanaged(key string, all, patterns []string) bool {
	if matches(key, vendors) || matches(key, patterns) {
		return true
	}
	return key == "cleanup.policy" && slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(other, redpanda) })
}

func matches(key string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if prefix, family := strings.CutSuffix(pattern, "*"); family {
			return strings.HasPrefix(key, prefix)
		}
		return key == pattern
	})
}
