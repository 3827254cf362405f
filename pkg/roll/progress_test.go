package roll_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// TestWarningsAreTold of what a restart takes below min.insync.replicas that cannot be kept.
func TestWarningsAreTold(t *testing.T) {
	s := controlled(metadata(topic("single", 1, partition(ids(0), ids(0)))), brokers(1, outdated)...)
	d := roll.Next(s, roll.Options{}, now)
	if len(d.Restart) != 1 || len(d.Restart[0].Warnings) != 1 || !strings.Contains(d.Restart[0].Warnings[0], "single-0") {
		t.Errorf("got %+v", d)
	}
}

// TestBackOff: 250 ms that double with each attempt, up to half a minute, and the roll is blocked after ten.
func TestBackOff(t *testing.T) {
	s := controlled(metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0)))), brokers(3, outdated)...)
	at, want := now, 250*time.Millisecond
	for range 7 {
		d := roll.Next(s, roll.Options{}, at)
		if d.Phase != roll.WaitingFor || d.Recheck != want || !d.Since.Equal(now) {
			t.Fatalf("after %s: got %+v, want a recheck after %s", at.Sub(now), d, want)
		}
		s.Progress, at, want = d.Progress, at.Add(d.Recheck), 2*want
	}
	d := roll.Next(s, roll.Options{}, at.Add(30*time.Second))
	if d.Recheck != 30*time.Second {
		t.Errorf("got a recheck after %s", d.Recheck)
	}
	s.Metadata = metadata(everywhere())
	if d = roll.Next(s, roll.Options{}, at.Add(time.Minute)); d.Phase != roll.Restarting {
		t.Fatalf("got %+v", d)
	}
	if !d.Progress.Waiting.Since.IsZero() {
		t.Errorf("the next denial would last since the last: %+v", d.Progress.Waiting)
	}
}

// TestOfflineWhenTheRollBeganIsRemembered, from the first metadata that there is, and the least since then.
func TestOfflineWhenTheRollBeganIsRemembered(t *testing.T) {
	s := controlled(nil, brokers(3, outdated)...)
	for i, step := range []struct {
		metadata *roll.Metadata
		want     int
	}{
		{nil, -1},
		{metadata(topic("b", 1, offline(ids(7), ids(7)), offline(ids(8), ids(8)))), 2},
		{nil, 2},
		{metadata(topic("b", 1, offline(ids(7), ids(7)), partition(ids(8), ids(8)))), 1},
		{metadata(topic("b", 1, offline(ids(7), ids(7)), offline(ids(8), ids(8)))), 1},
	} {
		s.Metadata = step.metadata
		d := roll.Next(s, roll.Options{}, now)
		s.Progress = d.Progress
		s.Progress.Restarts = nil
		if d.Progress.Offline != step.want {
			t.Errorf("%d: got %d, want %d", i, d.Progress.Offline, step.want)
		}
	}
}

// TestReasonThatStays: a restart that does not remove its reason is not repeated, neither in the roll nor after it; a request that comes
// again is another one.
func TestReasonThatStays(t *testing.T) {
	s := controlled(metadata(everywhere()), brokers(3, node)...)
	at := now
	next := func(want ...string) roll.Decision {
		t.Helper()
		d := roll.Next(s, roll.Options{}, at)
		if !slices.Equal(targets(d), want) || len(want) == 0 && d.Phase != roll.Done {
			t.Fatalf("got %+v, want a restart of %v", d, want)
		}
		s.Progress = d.Progress
		for _, name := range want {
			find(s, name).UID += "+"
		}
		at = at.Add(time.Minute)
		return d
	}
	stays, request := []roll.Reason{roll.VolumeGrown}, []roll.Reason{roll.VolumeGrown, roll.Requested}
	b0 := find(s, "b0")
	b0.Reasons = stays
	next("b0")
	s.Nodes[0].UID, s.Nodes[0].Reasons = "", nil
	s.Progress = roll.Next(s, roll.Options{}, at).Progress
	s.Nodes[0].UID, s.Nodes[0].Reasons = "b0-pod-2", stays
	next()
	if d := next(); len(d.Done) != 0 {
		t.Errorf("there is no roll, and done are %v", d.Done)
	}
	b0.Reasons = request
	next("b0")
	b0.Reasons = stays
	next()
	b0.Reasons = request
	next("b0")
	b0.Reasons = nil
	if d := next(); len(d.Progress.Restarts) != 0 {
		t.Errorf("nothing has to be remembered of %+v", d.Progress.Restarts)
	}
	b0.Reasons = stays
	next("b0")
}

// TestSince: what is waited for lasts since the node says so, and a denial since the first pass that met it.
func TestSince(t *testing.T) {
	s := controlled(metadata(everywhere()), brokers(3, outdated)...)
	notReady(2 * time.Minute)(&s.Nodes[1])
	d := roll.Next(s, roll.Options{}, now)
	if want := now.Add(-2 * time.Minute); !d.Since.Equal(want) {
		t.Errorf("not ready since %s, want %s", d.Since, want)
	}
	s.Nodes[1].Since = time.Time{}
	s.Progress = roll.Next(s, roll.Options{}, now).Progress
	if d := roll.Next(s, roll.Options{}, now.Add(4*time.Minute)); d.Cause != roll.NotReady || !d.Since.Equal(now) {
		t.Errorf("got %+v, want since %s", d, now)
	}
	if d := roll.Next(s, roll.Options{}, now.Add(5*time.Minute)); d.Phase != roll.Restarting {
		t.Errorf("not ready for five minutes, got %+v", d)
	}
}
