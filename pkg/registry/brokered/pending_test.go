package brokered

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

func topicOf(cluster types.NamespacedName, name string) storage.Name {
	return storage.Name{Kind: storage.TopicClaim, Cluster: cluster, Name: name}
}

// cleared takes a name off a list after a look at it.
func cleared(s *pendingDeletions, name storage.Name) { s.clear(name, s.asked(name)) }

func TestPendingDeletions(t *testing.T) {
	now := time.Now()
	a, b := types.NamespacedName{Namespace: "n", Name: "a"}, types.NamespacedName{Namespace: "n", Name: "b"}
	s := &pendingDeletions{}
	s.add(topicOf(a, "orders"), now)
	s.add(topicOf(a, "later"), now.Add(requestFirst))
	s.add(topicOf(b, "later"), now.Add(requestFirst))
	if got := s.idle(now); !slices.Equal(got, []types.NamespacedName{a}) {
		t.Fatalf("idle is %v, want the cluster with a name that is due", got)
	}
	// A cluster that is being swept is not swept twice, and no other waits for it.
	s.hurry(now)
	if got := s.idle(now); !slices.Equal(got, []types.NamespacedName{b}) {
		t.Errorf("idle is %v, want the other cluster", got)
	}
	if got := s.due(a, now); len(got) != 2 || !slices.Contains(got, topicOf(a, "later")) || !slices.Contains(got, topicOf(a, "orders")) {
		t.Errorf("due are %v", got)
	}
	if got := s.count(); got != 3 {
		t.Errorf("%d names are counted, want 3", got)
	}
	cleared(s, topicOf(a, "later"))
	cleared(s, topicOf(a, "later"))
	s.add(topicOf(a, "orders"), now)
	if got := s.count(); got != 2 {
		t.Errorf("%d names are counted, want 2", got)
	}
	for _, want := range []time.Duration{sweepEvery, 2 * sweepEvery, 4 * sweepEvery} {
		s.later(topicOf(a, "orders"), s.asked(topicOf(a, "orders")), now, maxSweepDelay)
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
	cleared(s, topicOf(a, "orders"))
	s.idle(now.Add(time.Hour))
	cleared(s, topicOf(b, "later"))
	s.ended(b)
	if len(s.idle(now.Add(time.Hour))) != 0 {
		t.Error("cleared names are due")
	}
}

// How long a claim stood is what this server has seen of it: not what another's clock wrote into it.
func TestAClaimUnderWayIsWatched(t *testing.T) {
	now := time.Now()
	cluster := types.NamespacedName{Namespace: "n", Name: "a"}
	s := &pendingDeletions{}
	s.add(topicOf(cluster, "orders"), now)
	for _, step := range []struct {
		revision  int64
		at, after time.Duration
	}{
		{1, 0, 0}, {1, 30 * time.Second, 30 * time.Second}, {2, 40 * time.Second, 0}, {2, 110 * time.Second, 70 * time.Second},
	} {
		if got := s.watched(topicOf(cluster, "orders"), step.revision, now.Add(step.at)); got != step.after {
			t.Errorf("revision %d at %s has stood for %s, want %s", step.revision, step.at, got, step.after)
		}
	}
}

// What is said of a name while somebody looks at it may be about what came after the look.
func TestANameThatIsAddedDuringALookStays(t *testing.T) {
	now := time.Now()
	name := topicOf(types.NamespacedName{Namespace: "n", Name: "a"}, "orders")
	s := &pendingDeletions{}
	s.add(name, now)
	asked := s.asked(name)
	s.add(name, now.Add(requestFirst))
	s.clear(name, asked)
	s.later(name, asked, now, maxSweepDelay)
	if got := s.due(name.Cluster, now); len(got) != 1 || s.count() != 1 {
		t.Errorf("due are %v of %d", got, s.count())
	}
	s.clear(name, s.asked(name))
	if got := s.due(name.Cluster, now.Add(time.Hour)); len(got) != 0 || s.count() != 0 {
		t.Errorf("due are %v of %d", got, s.count())
	}
}
