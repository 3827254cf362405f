// Package topics makes brokers have what a topic's object asks for: it compares, decides and carries out. The API server, which carries
// out writes, and the topic controller, which finds what was done outside, go by it alike. It knows no objects and stores nothing.
package topics

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// Spec is what a topic should be.
type Spec struct {
	// Partitions and Replicas are nil when they are left to the brokers.
	Partitions, Replicas *int32
	// Config holds all settings that the topic itself should have.
	Config map[string]string
}

// Steps is what to do with a topic that is on the brokers.
type Steps struct {
	// Grow is the number of partitions to grow to; 0 for none.
	Grow int32
	// Set and Remove are changes of settings.
	Set    map[string]string
	Remove []string
}

// Compare says what makes a topic on the brokers what a spec says. Partitions only grow: a spec that has fewer is one that follows.
func Compare(spec Spec, have broker.Topic, config []broker.ConfigEntry) Steps {
	steps := Steps{}
	if want := ptr.Deref(spec.Partitions, 0); int(want) > len(have.Partitions) {
		steps.Grow = want
	}
	steps.Set, steps.Remove = Settings(spec.Config, config)
	return steps
}

// Settings is what must be set and removed so that a topic's own settings are those wanted. Brokers do not tell the value of a
// sensitive setting, so that one is always set.
func Settings(want map[string]string, config []broker.ConfigEntry) (set map[string]string, remove []string) {
	own := ownSettings(want, config)
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if _, wanted := want[key]; !wanted {
			remove = append(remove, key)
		}
	}
	for key, value := range want {
		if entry, there := own[key]; !there || entry.Sensitive || entry.Null || !kafkaconfig.SameValue(key, entry.Value, value) {
			if set == nil {
				set = map[string]string{}
			}
			set[key] = value
		}
	}
	return set, remove
}

// ownSettings are the settings of the topic itself, without those of its reassignments, and those that are left alone because the brokers'
// vendor sets them, or somebody else whom the Kafka names: what a spec asks for is the spec's all the same.
func ownSettings(want map[string]string, config []broker.ConfigEntry) map[string]broker.ConfigEntry {
	own := map[string]broker.ConfigEntry{}
	for _, entry := range config {
		_, wanted := want[entry.Name]
		if entry.Source == broker.SourceTopic && !kafkaconfig.IsReassignmentThrottle(entry.Name) && (wanted || !entry.Unmanaged) {
			own[entry.Name] = entry
		}
	}
	return own
}

// Drift says in words how a topic's own settings are not those wanted; "" when they are. The order is that of the keys, so that the
// same drift is always told in the same words. Of a setting whose value brokers do not tell, only that it is there counts.
func Drift(want map[string]string, config []broker.ConfigEntry) string {
	own := ownSettings(want, config)
	keys := map[string]struct{}{}
	for key := range own {
		keys[key] = struct{}{}
	}
	for key := range want {
		keys[key] = struct{}{}
	}
	var told []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		entry, there := own[key]
		value, wanted := want[key]
		switch {
		case !there:
			told = append(told, fmt.Sprintf("%s is not set, the spec says %s", key, quote(value)))
		case entry.Sensitive && wanted:
		case !wanted:
			told = append(told, fmt.Sprintf("%s is %s, the spec does not set it", key, quote(entry.Value)))
		case !kafkaconfig.SameValue(key, entry.Value, value):
			told = append(told, fmt.Sprintf("%s is %s, the spec says %s", key, quote(entry.Value), quote(value)))
		}
	}
	return strings.Join(told, "; ")
}

// maxQuoted bounds a value in a message.
const maxQuoted = 100

func quote(value string) string {
	if len(value) > maxQuoted {
		value = value[:maxQuoted] + "…"
	}
	return fmt.Sprintf("%q", value)
}

// Disagreements says what a topic that is on the brokers already has that a new object gets wrong. Taking a topic over changes nothing
// of it: a setting that the spec does not name may be what keeps somebody's records. spec is the path of the spec.
func Disagreements(want Spec, have broker.Topic, config []broker.ConfigEntry, spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := want.Partitions; n != nil && int(*n) != len(have.Partitions) {
		errs = append(errs, field.Invalid(spec.Child("partitions"), *n, fmt.Sprintf("topic has %d; set %[1]d to adopt it", len(have.Partitions))))
	}
	if n := want.Replicas; n != nil && int(*n) != have.ReplicationFactor() {
		errs = append(errs, field.Invalid(spec.Child("replicas"), *n, fmt.Sprintf("topic has %d; set %[1]d to adopt it", have.ReplicationFactor())))
	}
	own := ownSettings(want.Config, config)
	set, remove := Settings(want.Config, config)
	for _, key := range slices.Sorted(maps.Keys(set)) {
		at := spec.Child("config").Key(key)
		entry, there := own[key]
		switch {
		case !there:
			errs = append(errs, field.Invalid(at, set[key], "topic does not set it; leave it out to adopt it, and set it then"))
		case !entry.Sensitive:
			errs = append(errs, field.Invalid(at, set[key], fmt.Sprintf("topic has %s; set %[1]s to adopt it", quote(entry.Value))))
		}
	}
	for _, key := range remove {
		errs = append(errs, field.Required(spec.Child("config").Key(key), fmt.Sprintf("topic has %s; set it to adopt the topic", quote(own[key].Value))))
	}
	return errs
}

// ReplicasDiffer says that the brokers have another number of replicas than the spec, which nothing here mends; "" when they agree.
func ReplicasDiffer(spec Spec, have int32) string {
	if spec.Replicas == nil || *spec.Replicas == have || have == 0 {
		return ""
	}
	return fmt.Sprintf("%s wanted and each partition has %d: reassign the partitions", plural.Of(*spec.Replicas, "replica is", "replicas are"), have)
}

// NamedIn is the setting of a topic that a broker's words are about: of the settings given the longest whose name they contain,
// because some names end in others' (delete.retention.ms). "" when it names none.
func NamedIn(words string, config map[string]string) string {
	var named string
	for key := range config {
		if strings.Contains(words, key) && (len(key) > len(named) || len(key) == len(named) && key < named) {
			named = key
		}
	}
	return named
}
