package topics

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
)

// topic has partitions of two replicas.
func topic(partitions int) broker.Topic {
	t := broker.Topic{Name: "orders", ID: broker.TopicID{15: 1}}
	for i := range partitions {
		t.Partitions = append(t.Partitions, broker.Partition{ID: int32(i), Replicas: []int32{0, 1}})
	}
	return t
}

// entries are a default, a setting of a running reassignment, and pairs of the topic's own settings.
func entries(pairs ...string) []broker.ConfigEntry {
	config := []broker.ConfigEntry{
		{Name: "min.insync.replicas", Value: "2", Source: broker.SourceStaticBroker},
		{Name: "leader.replication.throttled.replicas", Value: "0:1", Source: broker.SourceTopic},
	}
	for i := 0; i < len(pairs); i += 2 {
		config = append(config, broker.ConfigEntry{Name: pairs[i], Value: pairs[i+1], Source: broker.SourceTopic})
	}
	return config
}

func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		rule       string
		spec       Spec
		partitions int
		config     []broker.ConfigEntry
		grow       int32
		set        map[string]string
		remove     []string
	}{
		{rule: "as specified", spec: Spec{Partitions: ptr.To[int32](3), Config: map[string]string{"retention.ms": "5"}}, partitions: 3, config: entries("retention.ms", "5")},
		{rule: "too few partitions are grown", spec: Spec{Partitions: ptr.To[int32](3)}, partitions: 1, grow: 3},
		{rule: "more are the spec's matter", spec: Spec{Partitions: ptr.To[int32](3)}, partitions: 5},
		{rule: "open numbers ask for nothing", partitions: 5},
		{rule: "a missing setting is set", spec: Spec{Config: map[string]string{"retention.ms": "5"}}, config: entries(), set: map[string]string{"retention.ms": "5"}},
		{rule: "another value is set", spec: Spec{Config: map[string]string{"retention.ms": "5"}}, config: entries("retention.ms", "7"), set: map[string]string{"retention.ms": "5"}},
		{rule: "one that is not named goes", config: entries("retention.ms", "7", "cleanup.policy", "compact"), remove: []string{"cleanup.policy", "retention.ms"}},
		{rule: "one that the broker has set does not count as the topic's", spec: Spec{Config: map[string]string{"min.insync.replicas": "2"}}, config: entries(),
			set: map[string]string{"min.insync.replicas": "2"}},
		{rule: "a value that brokers write in another way is the same", spec: Spec{Config: map[string]string{"cleanup.policy": "compact, delete"}},
			config: entries("cleanup.policy", "compact,delete")},
		{rule: "a sensitive value cannot be compared", spec: Spec{Config: map[string]string{"secret": "x"}},
			config: []broker.ConfigEntry{{Name: "secret", Null: true, Sensitive: true, Source: broker.SourceTopic}}, set: map[string]string{"secret": "x"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got := Compare(tc.spec, topic(tc.partitions), tc.config)
			if got.Grow != tc.grow || !maps.Equal(got.Set, tc.set) || !slices.Equal(got.Remove, tc.remove) {
				t.Errorf("%+v, want to grow to %d, set %v and remove %v", got, tc.grow, tc.set, tc.remove)
			}
		})
	}
}

func TestDriftIsToldInTheSameWords(t *testing.T) {
	want := map[string]string{"retention.ms": "5", "segment.bytes": "100", "secret": "x"}
	config := append(entries("retention.ms", "7", "cleanup.policy", "compact"),
		broker.ConfigEntry{Name: "secret", Null: true, Sensitive: true, Source: broker.SourceTopic})
	const told = `cleanup.policy is "compact", the spec does not set it; retention.ms is "7", the spec says "5"; segment.bytes is not set, the spec says "100"`
	for range 20 {
		if got := Drift(want, config); got != told {
			t.Fatalf("%s\nwant\n%s", got, told)
		}
	}
	if got := Drift(map[string]string{"retention.ms": "7"}, entries("retention.ms", "7")); got != "" {
		t.Errorf("without drift: %s", got)
	}
	long := Drift(nil, entries("x", strings.Repeat("y", 1000)))
	if len(long) > 200 {
		t.Errorf("a long value is told with %d bytes", len(long))
	}
}

// What is left alone is no drift, is not taken away and need not be repeated by who takes the topic over. What a spec says of it counts.
func TestSettingsThatAreLeftAlone(t *testing.T) {
	config := entries("vendor.id", "1", "vendor.tier", "hot", "retention.ms", "7")
	for i := range config {
		config[i].Unmanaged = strings.HasPrefix(config[i].Name, "vendor.")
	}
	silent := map[string]string{"retention.ms": "7"}
	if set, remove := Settings(silent, config); len(set)+len(remove) > 0 || Drift(silent, config) != "" {
		t.Errorf("set %v, remove %v, drift %q", set, remove, Drift(silent, config))
	}
	if errs := Disagreements(Spec{Config: silent}, topic(4), config, field.NewPath("spec")); len(errs) > 0 {
		t.Error(errs)
	}
	asked := map[string]string{"retention.ms": "7", "vendor.tier": "cold"}
	if set, remove := Settings(asked, config); !maps.Equal(set, map[string]string{"vendor.tier": "cold"}) || len(remove) > 0 {
		t.Errorf("set %v, remove %v", set, remove)
	}
	if got := Drift(asked, config); got != `vendor.tier is "hot", the spec says "cold"` {
		t.Error(got)
	}
}

func TestDisagreements(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		want   Spec
		config []broker.ConfigEntry
		errs   []string
	}{
		{rule: "open numbers agree with any"},
		{rule: "the same agrees", want: Spec{Partitions: ptr.To[int32](4), Replicas: ptr.To[int32](2), Config: map[string]string{"retention.ms": "7"}}, config: entries("retention.ms", "7")},
		{rule: "partitions", want: Spec{Partitions: ptr.To[int32](3)}, errs: []string{"spec.partitions: Invalid value: 3: topic has 4; set 4 to adopt it"}},
		{rule: "replicas", want: Spec{Replicas: ptr.To[int32](3)}, errs: []string{"spec.replicas: Invalid value: 3: topic has 2; set 2 to adopt it"}},
		{rule: "a setting that would be lost", config: entries("retention.ms", "-1"),
			errs: []string{`spec.config[retention.ms]: Required value: topic has "-1"; set it to adopt the topic`}},
		{rule: "another value", want: Spec{Config: map[string]string{"retention.ms": "5"}}, config: entries("retention.ms", "-1"),
			errs: []string{`spec.config[retention.ms]: Invalid value: "5": topic has "-1"; set "-1" to adopt it`}},
		{rule: "a setting that it does not have", want: Spec{Config: map[string]string{"retention.ms": "5"}},
			errs: []string{`spec.config[retention.ms]: Invalid value: "5": topic does not set it; leave it out to adopt it, and set it then`}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var got []string
			for _, err := range Disagreements(tc.want, topic(4), tc.config, field.NewPath("spec")) {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, tc.errs) {
				t.Errorf("%q, want %q", got, tc.errs)
			}
		})
	}
}

func TestChanged(t *testing.T) {
	id, other := broker.TopicID{15: 1}, broker.TopicID{15: 2}
	settled := Observed{TopicID: id.String(), Partitions: 4, Replicas: 2}
	change := func(f func(*Observed)) Observed { o := settled; f(&o); return o }
	replaced := topic(1)
	replaced.ID = other
	for _, tc := range []struct {
		rule  string
		was   Observed
		have  broker.Topic
		found bool
		want  bool
	}{
		{"settled", settled, topic(4), true, false},
		{"grown", settled, topic(5), true, true},
		{"other replicas", change(func(o *Observed) { o.Replicas = 3 }), topic(4), true, true},
		{"gone", settled, broker.Topic{}, false, true},
		{"known to be gone", change(func(o *Observed) { o.Missing = true }), broker.Topic{}, false, false},
		{"back", change(func(o *Observed) { o.Missing = true }), topic(4), true, true},
		{"replaced", settled, replaced, true, true},
		{"known to be replaced", change(func(o *Observed) { o.ReplacementID = other.String() }), replaced, true, false},
		{"replaced again", change(func(o *Observed) { o.ReplacementID = "x" }), replaced, true, true},
		{"a replacement that is gone", change(func(o *Observed) { o.ReplacementID = "x" }), broker.Topic{}, false, true},
	} {
		if got := Changed(tc.was, brokertest.Counts(tc.have), tc.found); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
}

func TestMine(t *testing.T) {
	have := topic(1)
	id := have.ID.String()
	for _, tc := range []struct {
		rule                  string
		topicID, adoptTopicID string
		want                  bool
	}{
		{"the topic that it had", id, "", true},
		{"none yet", "", "", true},
		{"another", "other", "", false},
		{"another that it is to adopt", "other", id, true},
		{"one that it was to adopt once", "other", "third", false},
	} {
		if got := Mine(tc.topicID, tc.adoptTopicID, have.ID); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
	have.ID = broker.TopicID{}
	if !Mine("other", "", have.ID) {
		t.Error("a broker that gives no ids: the name is all there is")
	}
}

func TestNamedIn(t *testing.T) {
	config := map[string]string{"retention.ms": "x", "delete.retention.ms": "y"}
	for words, want := range map[string]string{
		"Invalid value x for configuration retention.ms: Not a number of type LONG":        "retention.ms",
		"Invalid value y for configuration delete.retention.ms: Not a number of type LONG": "delete.retention.ms",
		"Something else": "",
	} {
		if got := NamedIn(words, config); got != want {
			t.Errorf("%q names %q, want %q", words, got, want)
		}
	}
}
