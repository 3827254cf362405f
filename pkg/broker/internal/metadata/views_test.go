package metadata

import (
	"testing"
	"time"
)

// heard has what was heard of a topic compared with what is.
func heard(v *views, asked, now time.Time, t Topic, whole bool) (older bool) {
	return v.older(asked, now, t.ID, t.epochs(), whole)
}

// A cluster that was restored from a backup has lost what came later, and goes on from there.
func TestAnOlderStateThatLastsIsBelieved(t *testing.T) {
	var v views
	at := time.Now()
	topic := func(epoch int32) Topic {
		return Topic{Name: "orders", ID: TopicID{1}, Partitions: []Partition{{ID: 0, LeaderEpoch: epoch}}}
	}
	for _, step := range []struct {
		after time.Duration
		epoch int32
		older bool
	}{
		{0, 5, false}, {1 * time.Second, 4, true}, {11 * time.Second, 4, true}, {12 * time.Second, 5, false},
		// Nobody has told of anything for ten minutes: the first to do so is no proof.
		{13 * time.Second, 4, true}, {10 * time.Minute, 4, true},
		{10*time.Minute + oldViewPause, 4, true}, {10*time.Minute + 2*oldViewPause, 4, true}, {10*time.Minute + 3*oldViewPause, 4, true},
		{10*time.Minute + 4*oldViewPause, 4, false}, {10*time.Minute + 5*oldViewPause, 4, false},
	} {
		now := at.Add(step.after)
		if got := heard(&v, now, now, topic(step.epoch), true); got != step.older {
			t.Errorf("epoch %d after %v: older %v, want %v", step.epoch, step.after, got, step.older)
		}
	}
	if heard(&v, at, at, Topic{Name: "orders", Partitions: []Partition{{LeaderEpoch: 1}}}, true) || heard(&v, at, at, topic(-1), true) {
		t.Error("what has no id or no epoch is older")
	}
	heard(&v, at, at, Topic{ID: TopicID{2}, Partitions: []Partition{{ID: 1 << 30, LeaderEpoch: 1}}}, true)
	if n := len(v.heard[TopicID{2}].epochs); n != 0 {
		t.Errorf("%d epochs are kept for an id that cannot be", n)
	}
}

// What an external cluster may have this process remember has a bound, and a list of all says what is gone.
func TestWhatIsHeardIsBounded(t *testing.T) {
	var v views
	at := time.Now()
	all := map[string]TopicCounts{}
	for n := range maxViews + 10 {
		heard(&v, at, at, Topic{ID: TopicID{1, byte(n), byte(n >> 8), byte(n >> 16)}, Partitions: []Partition{{ID: maxGap, LeaderEpoch: 1}}}, true)
	}
	if n := len(v.heard); n > maxViews {
		t.Errorf("%d topics are kept", n)
	}
	all["orders"] = TopicCounts{ID: TopicID{1}}
	heard(&v, at, at.Add(2*time.Second), Topic{ID: TopicID{7}, Partitions: []Partition{{LeaderEpoch: 1}}}, true)
	heard(&v, at, at, Topic{ID: TopicID{1}, Partitions: []Partition{{LeaderEpoch: 1}}}, true)
	v.keep(at.Add(time.Second), all)
	if _, listed := v.heard[TopicID{1}]; len(v.heard) != 2 || !listed {
		t.Errorf("%d are kept of one that is there and one that came since", len(v.heard))
	}
}

// Leader epochs of a topic stay when it grows. Who took an answer from before would put keys elsewhere.
func TestFewerPartitionsAreOlder(t *testing.T) {
	var v views
	at := time.Now()
	topic := func(partitions int) Topic {
		all := Topic{ID: TopicID{1}}
		for id := range partitions {
			all.Partitions = append(all.Partitions, Partition{ID: int32(id)})
		}
		return all
	}
	heard(&v, at, at, topic(6), true)
	later := at.Add(time.Second)
	if !heard(&v, later, later, topic(3), true) || heard(&v, later, later, topic(3), false) || heard(&v, later, later, topic(7), true) {
		t.Error("partitions only become more, and where brokers do not tell of all fewer are none less")
	}
}

// What was asked for before a leader moved may be older than what is known since, and right.
func TestAnAnswerIsComparedWithWhatWasHeardBeforeItWasAskedFor(t *testing.T) {
	var v views
	at := time.Now()
	topic := func(epoch int32) Topic {
		return Topic{ID: TopicID{1}, Partitions: []Partition{{LeaderEpoch: epoch}}}
	}
	heard(&v, at, at, topic(4), true)
	heard(&v, at.Add(2*time.Second), at.Add(2*time.Second), topic(5), true)
	if heard(&v, at.Add(time.Second), at.Add(3*time.Second), topic(4), true) {
		t.Error("a list that took two seconds is old")
	}
	if !heard(&v, at.Add(3*time.Second), at.Add(3*time.Second), topic(4), true) {
		t.Error("what was told in between is forgotten")
	}
}
