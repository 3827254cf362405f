package brokered

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Names that have one claim have one lock; others wait for nobody.
func TestNamesThatCollideHaveOneLock(t *testing.T) {
	var l locks
	a, b := types.NamespacedName{Namespace: "n", Name: "a"}, types.NamespacedName{Namespace: "n", Name: "b"}
	unlock, err := l.lock(t.Context(), topicOf(a, "team.orders"))
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"team.orders", "team_orders"} {
		if _, err := l.lock(ended, topicOf(a, name)); err == nil {
			t.Errorf("%s is locked twice", name)
		}
	}
	other, err := l.lock(t.Context(), topicOf(b, "team_orders"))
	if err != nil {
		t.Fatal(err)
	}
	other()
	unlock()
	if again, err := l.lock(t.Context(), topicOf(a, "team_orders")); err != nil {
		t.Error(err)
	} else {
		again()
	}
	if len(l.held) != 0 {
		t.Errorf("locks are left: %v", l.held)
	}
}
