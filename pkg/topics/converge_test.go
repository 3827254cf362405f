package topics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// cluster has at most one topic, and answers as scripted.
type cluster struct {
	have   *broker.Topic
	config map[string]string
	// second are the settings that a second broker tells; nil for the same.
	second map[string]string
	// moves are the reassignments of its partitions, and forbidden says that they are not told.
	moves     map[int32]broker.Reassignment
	forbidden bool
	// held is how many creates are refused because a deleted topic holds the name.
	held int
	// grown is what the topic has when it is looked at again after a growth; 0 for what it had.
	grown int
	// used says that the topic has held records.
	used bool
	// err is what writes end in, after they were done if lost is not set.
	err error
	// done are the writes, in order.
	done []string
}

var (
	errHeld = &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 36, Name: "TOPIC_ALREADY_EXISTS", Message: "Topic 'orders' is marked for deletion."}
	errHas  = &kafkaerr.Error{Op: "create partitions", Object: "orders", Code: 37, Name: "INVALID_PARTITIONS", Message: "Topic already has 6 partition(s)."}
	errLost = &kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: &kafkaerr.UnreachableError{Cluster: "c", Err: errors.New("connection refused")}}
)

func (c *cluster) Topic(context.Context, string) (broker.Topic, bool, error) {
	if c.have == nil {
		return broker.Topic{}, false, nil
	}
	return *c.have, true, nil
}

func (c *cluster) TopicConfig(context.Context, string) ([]broker.ConfigEntry, error) {
	return entriesOf(c.config), nil
}

func (c *cluster) ConfigOpinions(context.Context, string) ([][]broker.ConfigEntry, error) {
	second := c.second
	if second == nil {
		second = c.config
	}
	return [][]broker.ConfigEntry{entriesOf(c.config), entriesOf(second)}, nil
}

func entriesOf(config map[string]string) []broker.ConfigEntry {
	var pairs []string
	for key, value := range config {
		pairs = append(pairs, key, value)
	}
	return entries(pairs...)
}

func (c *cluster) ReassignmentsOf(_ context.Context, topics ...broker.Topic) (map[string]map[int32]broker.Reassignment, error) {
	if c.forbidden {
		return nil, &kafkaerr.Error{Op: "list reassignments", Code: 31, Name: "CLUSTER_AUTHORIZATION_FAILED"}
	}
	return map[string]map[int32]broker.Reassignment{topics[0].Name: c.moves}, nil
}

func (c *cluster) CreateTopic(_ context.Context, t broker.NewTopic, validateOnly bool) (broker.CreatedTopic, error) {
	if validateOnly {
		c.done = append(c.done, "create?")
	} else {
		c.done = append(c.done, "create")
	}
	switch {
	case c.held > 0:
		c.held--
		return broker.CreatedTopic{}, errHeld
	case c.have != nil:
		return broker.CreatedTopic{}, errHeld
	case c.err != nil:
		return broker.CreatedTopic{}, c.err
	}
	return broker.CreatedTopic{ID: broker.TopicID{15: 9}, Partitions: t.Partitions, Replicas: t.Replicas}, nil
}

func (c *cluster) CreatePartitions(_ context.Context, _ string, total int32, _ [][]int32, _ bool) error {
	c.done = append(c.done, fmt.Sprintf("grow to %d", total))
	if c.grown > 0 {
		have := topic(c.grown)
		c.have = &have
	}
	return c.err
}

func (c *cluster) AlterTopicConfig(_ context.Context, _ string, set map[string]string, remove []string, _ bool) error {
	c.done = append(c.done, fmt.Sprintf("set %v, remove %v", set, remove))
	return c.err
}

func (c *cluster) NeverUsed(context.Context, broker.Topic) (bool, error) { return !c.used, nil }

// moving is a topic of whose partitions each is at two brokers and moves from one of them to a third.
func moving(partitions int) *broker.Topic {
	have := topic(partitions)
	for i := range have.Partitions {
		have.Partitions[i].Replicas = []int32{3, 1, 2}
	}
	return &have
}

func moves(partitions int32) map[int32]broker.Reassignment {
	all := map[int32]broker.Reassignment{}
	for id := range partitions {
		all[id] = broker.Reassignment{Replicas: []int32{3, 1, 2}, Adding: []int32{3}, Removing: []int32{1}}
	}
	return all
}

func TestConverge(t *testing.T) {
	id := broker.TopicID{15: 1}
	mine := id.String()
	three := Spec{Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2), Config: map[string]string{"retention.ms": "5"}}
	spec := func(partitions int32) Spec { s := three; s.Partitions = &partitions; return s }
	on := func(partitions int) *broker.Topic { have := topic(partitions); return &have }
	right, wrong := map[string]string{"retention.ms": "5"}, map[string]string{"retention.ms": "7"}
	for _, tc := range []struct {
		rule    string
		want    Desired
		cluster cluster
		// done are the writes; reason, stalled and have are the outcome.
		done    []string
		reason  string
		stalled bool
		have    *OnBrokers
	}{
		{rule: "what is there as specified is left alone", want: Desired{Spec: three, TopicID: mine}, cluster: cluster{have: on(3), config: right},
			reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "what is absent is made", want: Desired{Spec: three, Absent: true}, done: []string{"create"},
			reason: ReasonReady, have: &OnBrokers{broker.TopicID{15: 9}, 3, 2}},
		{rule: "a topic that went is made again", want: Desired{Spec: three, TopicID: mine, CarriedOut: true}, done: []string{"stands", "create"},
			reason: ReasonReady, have: &OnBrokers{broker.TopicID{15: 9}, 3, 2}},
		{rule: "or told of, when that is the policy", want: Desired{Spec: three, TopicID: mine, CarriedOut: true, ReportOnly: true}, reason: ReasonTopicMissing, stalled: true},
		{rule: "a write of the spec makes it nevertheless", want: Desired{Spec: three, TopicID: mine, ReportOnly: true}, done: []string{"stands", "create"},
			reason: ReasonReady, have: &OnBrokers{broker.TopicID{15: 9}, 3, 2}},
		{rule: "a name that a deleted topic holds is waited for", want: Desired{Spec: three, Absent: true}, cluster: cluster{held: 3},
			done: []string{"create", "create", "create", "create"}, reason: ReasonReady, have: &OnBrokers{broker.TopicID{15: 9}, 3, 2}},
		{rule: "a topic that was faster is taken over when it agrees", want: Desired{Spec: three, Absent: true, Judged: true}, cluster: cluster{have: on(3), config: right},
			done: []string{"create", "take over"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "and left alone otherwise", want: Desired{Spec: three, Absent: true, Judged: true}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"create"}, reason: ReasonTopicExists, stalled: true},
		{rule: "a topic that was judged is changed", want: Desired{Spec: three, Judged: true}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"take over", "stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "so is one that was made for the object", want: Desired{Spec: three, MadeID: mine}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"take over", "stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "another topic of the name is left alone", want: Desired{Spec: three, TopicID: "other"}, cluster: cluster{have: on(1), config: wrong},
			reason: ReasonTopicReplaced, stalled: true},
		{rule: "until it is named", want: Desired{Spec: three, TopicID: "other", AdoptTopicID: mine}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"take over", "stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "one that was about to be made in the place of the former is known", want: Desired{Spec: three, TopicID: "other", Remaking: true},
			cluster: cluster{have: on(3), config: right}, done: []string{"take over"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "when it is as specified", want: Desired{Spec: three, TopicID: "other", Remaking: true}, cluster: cluster{have: on(3), config: wrong},
			reason: ReasonTopicReplaced, stalled: true},
		{rule: "and was never used", want: Desired{Spec: three, TopicID: "other", Remaking: true}, cluster: cluster{have: on(3), config: right, used: true},
			reason: ReasonTopicReplaced, stalled: true},
		{rule: "unless its making was answered", want: Desired{Spec: three, TopicID: "other", Remaking: true, MadeID: mine},
			cluster: cluster{have: on(3), config: right, used: true}, done: []string{"take over"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "then it follows the spec", want: Desired{Spec: three, TopicID: "other", MadeID: mine}, cluster: cluster{have: on(3), config: wrong, used: true},
			done: []string{"take over", "stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "only the topic that is named is taken", want: Desired{Spec: three, AdoptTopicID: mine, Absent: true}, cluster: cluster{have: on(3), config: right},
			done: []string{"take over"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "as it is", want: Desired{Spec: three, AdoptTopicID: mine}, cluster: cluster{have: on(3), config: wrong}, reason: ReasonTopicExists, stalled: true},
		{rule: "no other", want: Desired{Spec: three, AdoptTopicID: "other", Judged: true}, cluster: cluster{have: on(3), config: right},
			reason: ReasonTopicReplaced, stalled: true},
		{rule: "and none is made for it", want: Desired{Spec: three, AdoptTopicID: "other", Absent: true}, reason: ReasonTopicMissing, stalled: true},
		{rule: "one that was taken over and went is made again", want: Desired{Spec: three, TopicID: mine, AdoptTopicID: mine}, done: []string{"stands", "create"},
			reason: ReasonReady, have: &OnBrokers{broker.TopicID{15: 9}, 3, 2}},
		{rule: "the replicas of what has grown are known", want: Desired{Spec: spec(6), TopicID: mine}, cluster: cluster{have: on(3), config: right},
			done: []string{"stands", "grow to 6"}, reason: ReasonReady, have: &OnBrokers{id, 6, 2}},
		{rule: "a change outside is reverted", want: Desired{Spec: three, TopicID: mine, CarriedOut: true}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "unless one broker alone tells of it", want: Desired{Spec: three, TopicID: mine, CarriedOut: true},
			cluster: cluster{have: on(3), config: wrong, second: right}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "or told of", want: Desired{Spec: three, TopicID: mine, CarriedOut: true, ReportOnly: true}, cluster: cluster{have: on(3), config: wrong},
			reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "one that comes back after each revert is told of", want: Desired{Spec: three, TopicID: mine, CarriedOut: true,
			NotKept: NotKept(`retention.ms is "7", the spec says "5"`)}, cluster: cluster{have: on(3), config: wrong}, reason: ReasonConfigNotKept, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "another change is reverted", want: Desired{Spec: three, TopicID: mine, CarriedOut: true,
			NotKept: NotKept(`retention.ms is "8", the spec says "5"`)}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "partitions that move have the replicas of where they move", want: Desired{Spec: three, TopicID: mine, CarriedOut: true},
			cluster: cluster{have: moving(3), config: right, moves: moves(3)}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "also when the number is left to the brokers", want: Desired{Spec: Spec{Config: right}, TopicID: mine},
			cluster: cluster{have: moving(3), config: right, moves: moves(3)}, reason: ReasonReady, have: &OnBrokers{id, 3, 2}},
		{rule: "a move to another number is another number", want: Desired{Spec: Spec{Replicas: ptr.To[int32](4)}, TopicID: mine},
			cluster: cluster{have: moving(3), moves: moves(3)}, reason: ReasonReplicasDiffer, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "moves that brokers do not tell are not known", want: Desired{Spec: three, TopicID: mine},
			cluster: cluster{have: moving(3), config: right, forbidden: true}, reason: ReasonReplicasDiffer, stalled: true, have: &OnBrokers{id, 3, 3}},
		{rule: "a growth that is done already is one", want: Desired{Spec: spec(6), TopicID: mine}, cluster: cluster{have: on(3), config: right, grown: 6, err: errHas},
			done: []string{"stands", "grow to 6"}, reason: ReasonReady, have: &OnBrokers{id, 6, 2}},
		{rule: "so is one that others went beyond", want: Desired{Spec: spec(6), TopicID: mine}, cluster: cluster{have: on(3), config: right, grown: 8, err: errHas},
			done: []string{"stands", "grow to 6"}, reason: ReasonReady, have: &OnBrokers{id, 8, 2}},
		{rule: "other replicas wait for a person", want: Desired{Spec: Spec{Replicas: ptr.To[int32](3)}, TopicID: mine}, cluster: cluster{have: on(3)},
			reason: ReasonReplicasDiffer, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "no request asks for more than brokers bear", want: Desired{Spec: spec(2_000_000_000), Absent: true}, reason: ReasonTooManyPartitions, stalled: true},
		{rule: "nor does a growth, and the rest is done", want: Desired{Spec: spec(2_000_000_000), TopicID: mine}, cluster: cluster{have: on(3), config: wrong},
			done: []string{"stands", "set map[retention.ms:5], remove []", "stands"}, reason: ReasonTooManyPartitions, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "a large create whose brokers went may have ended them", want: Desired{Spec: spec(51), Absent: true}, cluster: cluster{err: errLost},
			done: []string{"create"}, reason: ReasonOutcomeUnknown, stalled: true},
		{rule: "so may a large growth", want: Desired{Spec: spec(54), TopicID: mine}, cluster: cluster{have: on(3), config: right, err: errLost},
			done: []string{"stands", "grow to 54"}, reason: ReasonOutcomeUnknown, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "it is not sent again", want: Desired{Spec: spec(51), Unconfirmed: true}, reason: ReasonOutcomeUnknown, stalled: true},
		{rule: "nor is the growth", want: Desired{Spec: spec(54), TopicID: mine, Unconfirmed: true}, cluster: cluster{have: on(3), config: right},
			reason: ReasonOutcomeUnknown, stalled: true, have: &OnBrokers{id, 3, 2}},
		{rule: "when it was done after all, that is known", want: Desired{Spec: spec(54), TopicID: mine, Unconfirmed: true}, cluster: cluster{have: on(54), config: right},
			reason: ReasonReady, have: &OnBrokers{id, 54, 2}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := tc.cluster
				tc.want.Name = "orders"
				got, err := Converge(t.Context(), &on, tc.want, Hooks{
					Stands:   func(context.Context) error { on.done = append(on.done, "stands"); return nil },
					TakeOver: func(context.Context, broker.Topic) error { on.done = append(on.done, "take over"); return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(on.done, tc.done) {
					t.Errorf("done was %q, want %q", on.done, tc.done)
				}
				if got.Reason != tc.reason || got.Stalled != tc.stalled || (got.Status == metav1.ConditionTrue) != (tc.reason == ReasonReady) {
					t.Errorf("Ready=%s %s, stalled %v (%s), want %s, %v", got.Status, got.Reason, got.Stalled, got.Message, tc.reason, tc.stalled)
				}
				if (got.Have == nil) != (tc.have == nil) || got.Have != nil && *got.Have != *tc.have {
					t.Errorf("the topic is %+v, want %+v", got.Have, tc.have)
				}
			})
		})
	}
}

// What is small was only under way when the brokers went: it fails, and may be sent again.
func TestASmallRequestWhoseBrokersWentIsAnError(t *testing.T) {
	for _, want := range []Desired{
		{Spec: Spec{Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)}, Absent: true},
		{Spec: Spec{Partitions: ptr.To[int32](6)}, TopicID: topic(3).ID.String()},
	} {
		on := &cluster{err: errLost}
		if want.TopicID != "" {
			have := topic(3)
			on.have = &have
		}
		if _, err := Converge(t.Context(), on, want, Hooks{}); !errors.Is(err, errLost) {
			t.Errorf("%+v: %v", want, err)
		}
	}
}

func TestAGrowthThatBrokersRefuseIsAnError(t *testing.T) {
	have := topic(3)
	for _, grown := range []int{0, 4} {
		on := &cluster{have: &have, grown: grown, err: errHas}
		if _, err := Converge(t.Context(), on, Desired{Name: "orders", Spec: Spec{Partitions: ptr.To[int32](6)}, TopicID: have.ID.String()}, Hooks{}); !errors.Is(err, errHas) {
			t.Errorf("with %d partitions: %v", grown, err)
		}
	}
}

// What the cluster has no room for is not noted as being made again either.
func TestNothingIsMadeAgainWithoutRoom(t *testing.T) {
	on := &cluster{}
	note := func(context.Context) error { on.done = append(on.done, "noted"); return nil }
	got, err := Converge(t.Context(), on, Desired{Name: "orders", Spec: Spec{Partitions: ptr.To[int32](300)}, TopicID: "gone"}, Hooks{Stands: note, Remake: note,
		Reserve: func(context.Context, int32, int32) (func(), string, error) {
			return func() {}, "the cluster is full", nil
		}})
	if err != nil || got.Reason != ReasonTooManyPartitions || !got.Stalled || got.Message != "the cluster is full" || len(on.done) != 0 {
		t.Errorf("%+v, %v after %v", got.Verdict, err, on.done)
	}
}

// What the object says meanwhile decides about each step that cannot be taken back.
func TestNothingIsDoneForAnObjectThatMoved(t *testing.T) {
	moved := errors.New("moved")
	have := topic(3)
	for _, want := range []Desired{
		{Spec: Spec{Partitions: ptr.To[int32](120)}, TopicID: have.ID.String()},
		{Spec: Spec{Config: map[string]string{"retention.ms": "5"}}, TopicID: have.ID.String(), CarriedOut: true},
		{TopicID: "gone", AdoptTopicID: have.ID.String()},
	} {
		on := &cluster{have: &have}
		_, err := Converge(t.Context(), on, want, Hooks{
			Stands:   func(context.Context) error { return moved },
			TakeOver: func(context.Context, broker.Topic) error { return moved },
		})
		if !errors.Is(err, moved) || len(on.done) != 0 {
			t.Errorf("%+v: %v after %v", want, err, on.done)
		}
	}
}

// In ZooKeeper mode a controller says of a name that its topic is marked for deletion, and no broker shows the topic.
func TestANameThatIsMarkedForDeletionIsWaitedFor(t *testing.T) {
	for _, validateOnly := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			on := &cluster{held: 5}
			created, _, err := Create(t.Context(), on, New("orders", Spec{}), nil, validateOnly)
			if err != nil || created == nil || len(on.done) != 6 {
				t.Errorf("after %v: %v, %v", on.done, created, err)
			}
			// One that stays is told in the brokers' words.
			on = &cluster{held: 1000}
			if _, _, err := Create(t.Context(), on, New("orders", Spec{}), nil, validateOnly); !errors.Is(err, errHeld) {
				t.Errorf("a name that is never free: %v", err)
			}
			// The topic that a deleted object left holds the name as well.
			have := topic(3)
			on = &cluster{have: &have}
			if _, _, err := Create(t.Context(), on, New("orders", Spec{}), []string{have.ID.String()}, validateOnly); !errors.Is(err, errHeld) {
				t.Errorf("a topic that is to be deleted: %v", err)
			}
			if created, taken, err := Create(t.Context(), on, New("orders", Spec{}), nil, validateOnly); created != nil || taken.ID != have.ID || err != nil {
				t.Errorf("another topic: %v, %v, %v", created, taken, err)
			}
		})
	}
}

func TestStalledIsThereWhileItHolds(t *testing.T) {
	var conditions []metav1.Condition
	told := func(v Verdict) map[string]string {
		SetConditions(&conditions, v, "Revert", 1, metav1.Now().Time)
		reasons := map[string]string{}
		for _, c := range conditions {
			reasons[c.Type] = string(c.Status) + " " + c.Reason
		}
		return reasons
	}
	refused := func(code int16) Verdict { return NotApplied(&kafkaerr.Error{Code: code}, "no") }
	for _, tc := range []struct {
		verdict Verdict
		want    map[string]string
	}{
		{waiting(ReasonTopicExists, "there is another"), map[string]string{"Ready": "False TopicExists", "Stalled": "True TopicExists"}},
		{AsSpecified("orders", Spec{}, OnBrokers{}), map[string]string{"Ready": "True Ready"}},
		{refused(40), map[string]string{"Ready": "False NotApplied", "Stalled": "True NotApplied"}},
		// Brokers come one after the other.
		{refused(38), map[string]string{"Ready": "False NotApplied"}},
		{Unreachable("away"), map[string]string{"Ready": "False ClusterUnreachable"}},
	} {
		if got := told(tc.verdict); !maps.Equal(got, tc.want) {
			t.Errorf("%s: conditions are %v, want %v", tc.verdict.Reason, got, tc.want)
		}
	}
}
