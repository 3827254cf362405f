package kafkatopic

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// The pages of a long list wait for a cluster that is late once a second, and not each.
func TestALateClusterIsWaitedForOnceASecond(t *testing.T) {
	var l lateClusters
	now, silence := time.Now(), errors.New("nobody answers")
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	if err := l.why(a, now); err != nil {
		t.Errorf("a cluster that was never waited for is late: %v", err)
	}
	l.note(a, silence, now)
	if err := l.why(a, now.Add(lateFor-1)); !errors.Is(err, silence) {
		t.Errorf("it is waited for again within %v: %v", lateFor, err)
	}
	if err := l.why(b, now); err != nil {
		t.Errorf("another cluster is late: %v", err)
	}
	if err := l.why(a, now.Add(lateFor)); err != nil {
		t.Errorf("it is not waited for again after %v: %v", lateFor, err)
	}
	l.note(b, silence, now.Add(lateFor))
	if len(l.of) != 1 {
		t.Errorf("%d clusters are remembered, want the one that is late", len(l.of))
	}
	l.note(b, nil, now.Add(lateFor))
	if err := l.why(b, now.Add(lateFor)); err != nil {
		t.Errorf("one that has answered is late: %v", err)
	}
}
