package topics

import (
	"testing"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
)

// Brokers before 2.8 give no ids, and those of 2.8 give them to topics that have none. That two ids are not known does not make them the same.
func TestTopicsWithoutIDs(t *testing.T) {
	three := Spec{Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)}
	other := broker.TopicID{1}
	for name, tc := range map[string]struct {
		want Desired
		have broker.TopicID
		// partitions are those on the brokers, 3 when 0.
		partitions int
		step       Step
		takeOver   bool
		reason     string
	}{
		"of an object that has it":                      {want: Desired{WithoutID: true}, step: StepChange, reason: ReasonReady},
		"of an object that has none":                    {step: StepChange, takeOver: true, reason: ReasonReady},
		"of an object that is to take over another":     {want: Desired{AdoptTopicID: other.String()}, step: StepNone, reason: ReasonTopicReplaced},
		"of an object that had another":                 {want: Desired{TopicID: other.String()}, step: StepChange, takeOver: true, reason: ReasonReady},
		"that differs, of an object that has it":        {want: Desired{WithoutID: true}, partitions: 4, step: StepChange, reason: ReasonReady},
		"that differs, of an object that has none":      {partitions: 4, step: StepNone, reason: ReasonTopicExists},
		"that got one, of the object that had it":       {want: Desired{WithoutID: true, CarriedOut: true}, have: other, step: StepChange, takeOver: true, reason: ReasonReady},
		"that got one, and is not as the object had it": {want: Desired{WithoutID: true, CarriedOut: true}, have: other, partitions: 4, step: StepNone, reason: ReasonTopicExists},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Name, tc.want.Spec = "orders", three
			have := broker.Topic{Name: "orders", ID: tc.have}
			for id := range int32(max(tc.partitions, 3)) {
				have.Partitions = append(have.Partitions, broker.Partition{ID: id, Replicas: []int32{1, 2}})
			}
			d := Decide(tc.want, Seen{Asked: true, Found: true, Topic: have, Followed: true, Described: true})
			if d.Step != tc.step || d.TakeOver != tc.takeOver || d.Outcome.Reason != tc.reason {
				t.Errorf("%s %s, taken over: %v (%s), want %s %s, %v", d.Step, d.Outcome.Reason, d.TakeOver, d.Outcome.Message, tc.step, tc.reason, tc.takeOver)
			}
			if d.Outcome.Replacement != "" {
				t.Errorf("the replacement is %q", d.Outcome.Replacement)
			}
		})
	}
	// One that had gone is made again, or told of, as one with an id.
	for reportOnly, want := range map[bool]Step{false: StepCreate, true: StepNone} {
		d := Decide(Desired{Name: "orders", Spec: three, WithoutID: true, CarriedOut: true, ReportOnly: reportOnly}, Seen{Asked: true})
		if d.Step != want || d.Again != (want == StepCreate) {
			t.Errorf("a topic that had gone, reported only: %v: %+v", reportOnly, d)
		}
	}
	if Changed(Observed{Partitions: 3, Replicas: 2}, brokertest.Counts(topicOn(1, 3)), true) != true || Changed(Observed{Partitions: 3, Replicas: 1}, brokertest.Counts(topicOn(1, 3)), true) {
		t.Error("a topic without an id changes with its numbers")
	}
}
