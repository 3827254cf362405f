package kafkatopic

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func TestSuspects(t *testing.T) {
	now := time.Now()
	a, b := types.NamespacedName{Namespace: "n", Name: "a"}, types.NamespacedName{Namespace: "n", Name: "b"}
	s := &suspects{}
	s.add(a, "orders", now)
	s.add(a, "later", now.Add(requestFirst))
	s.add(b, "later", now.Add(requestFirst))
	if got := s.idle(now); !slices.Equal(got, []types.NamespacedName{a}) {
		t.Fatalf("idle is %v, want the cluster with a suspect that is due", got)
	}
	// A cluster that is being swept is not swept twice, and no other waits for it.
	s.hurry(now)
	if got := s.idle(now); !slices.Equal(got, []types.NamespacedName{b}) {
		t.Errorf("idle is %v, want the other cluster", got)
	}
	if got := slices.Sorted(slices.Values(s.due(a, now))); !slices.Equal(got, []string{"later", "orders"}) {
		t.Errorf("due are %v", got)
	}
	s.clear(a, "later")
	for _, want := range []time.Duration{sweepEvery, 2 * sweepEvery, 4 * sweepEvery} {
		s.refused(a, "orders", now)
		if got := s.due(a, now.Add(want-1)); len(got) != 0 {
			t.Errorf("due before %s: %v", want, got)
		}
		if got := s.due(a, now.Add(want)); len(got) != 1 {
			t.Errorf("not due after %s", want)
		}
	}
	// What was refused is not hurried by the deletion of something else.
	s.hurry(now)
	if got := s.due(a, now); len(got) != 0 {
		t.Errorf("due are %v", got)
	}
	s.ended(a)
	s.clear(a, "orders")
	s.idle(now.Add(time.Hour))
	s.clear(b, "later")
	s.ended(b)
	if len(s.idle(now.Add(time.Hour))) != 0 {
		t.Error("cleared suspects are due")
	}
}

// How long a claim stood is what this server has seen of it: not what another's clock wrote into it.
func TestAClaimUnderWayIsWatched(t *testing.T) {
	now := time.Now()
	cluster := types.NamespacedName{Namespace: "n", Name: "a"}
	s := &suspects{}
	s.add(cluster, "orders", now)
	for _, step := range []struct {
		revision  int64
		at, after time.Duration
	}{
		{1, 0, 0}, {1, 30 * time.Second, 30 * time.Second}, {2, 40 * time.Second, 0}, {2, 110 * time.Second, 70 * time.Second},
	} {
		if got := s.watched(cluster, "orders", step.revision, now.Add(step.at)); got != step.after {
			t.Errorf("revision %d at %s has stood for %s, want %s", step.revision, step.at, got, step.after)
		}
	}
	for _, tc := range []struct {
		rule  string
		claim claim
		want  bool
	}{
		{"just taken", claim{Since: now}, true},
		{"by a clock that is ahead", claim{Since: now.Add(24 * time.Hour)}, true},
		{"by a clock that is behind", claim{Since: now.Add(-24 * time.Hour)}, true},
		{"its object was deleted", claim{}, false},
		{"it had a topic", claim{Since: now, TopicID: "x"}, false},
		{"it was taken over", claim{Since: now, Doomed: []string{"x"}}, false},
	} {
		if got := underWay(&tc.claim); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
}
