package brokered

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// What outlives its object counts against the namespace of that, and against all, and nobody is kept from creating by what others left.
func TestWhatIsAwaitedIsBounded(t *testing.T) {
	cluster, now := types.NamespacedName{Namespace: "kafka", Name: "k"}, time.Now()
	s := &pendingDeletions{}
	leave := func(namespace string, n int) {
		for i := range n {
			name := topicOf(cluster, fmt.Sprintf("%s.%d", namespace, i))
			s.add(name, now)
			s.awaits(name, namespace)
			// Each look says so again.
			s.awaits(name, namespace)
		}
	}
	// Objects that go many at a time are no less in number: those of one namespace are not to keep all others out.
	leave("crowd", 3*maxAwaitedInAll)
	if s.awaited.total != maxAwaited || s.full("b", topicOf(cluster, "b.new")) != nil {
		t.Errorf("a crowd counts for %d", s.awaited.total)
	}
	for i := range 3 * maxAwaitedInAll {
		cleared(s, topicOf(cluster, fmt.Sprintf("crowd.%d", i)))
	}
	if s.awaited.total != 0 {
		t.Errorf("%d are left of a crowd that is gone", s.awaited.total)
	}
	full := func(namespace, name string) bool { return s.full(namespace, topicOf(cluster, name)) != nil }
	leave("a", maxAwaited-1)
	if full("a", "new") {
		t.Error("refused before there are too many")
	}
	leave("a", maxAwaited)
	if !full("a", "new") || full("a", "a.7") || full("b", "new") {
		t.Errorf("new in a: %v, one that is waited for: %v, new in b: %v", full("a", "new"), full("a", "a.7"), full("b", "new"))
	}
	// The object was created anew.
	s.awaits(topicOf(cluster, "a.7"), "")
	if full("a", "new") {
		t.Error("refused although there are fewer")
	}
	// Nothing comes any more.
	leave("a", maxAwaited)
	cleared(s, topicOf(cluster, "a.3"))
	cleared(s, topicOf(cluster, "a.3"))
	if full("a", "new") {
		t.Error("refused although there are fewer")
	}
	for i := range maxAwaitedInAll / (maxAwaited - 1) {
		leave(fmt.Sprintf("n%d", i), maxAwaited-1)
	}
	if !full("n1", "new") || !full("a", "new") || full("n1", "n1.1") || full("b", "new") {
		t.Errorf("new in n1: %v, in a: %v, one that is waited for: %v, new in b: %v", full("n1", "new"), full("a", "new"), full("n1", "n1.1"), full("b", "new"))
	}
	for namespace, names := range s.awaited.of {
		for name := range names {
			cleared(s, name)
		}
		if full(namespace, "new") {
			t.Errorf("%s is refused although nothing is waited for", namespace)
		}
	}
	if s.awaited.total != 0 || len(s.awaited.of) != 0 || s.count() != 0 {
		t.Errorf("left are %d of %d", s.awaited.total, s.count())
	}
}
