package brokered

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	apistorage "k8s.io/apiserver/pkg/storage"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

type object = metav1.PartialObjectMetadata

// removals is a kind that only removes.
type removals struct {
	Kind[*object, string]
	ids *[]string
}

func (r removals) Remove(_ context.Context, _ string, _ storage.Name, id string, _ bool) (bool, error) {
	*r.ids = append(*r.ids, id)
	return false, nil
}

// drops are claims that are only dropped.
type drops struct {
	Claims
	names *[]string
}

func (d drops) Drop(_ context.Context, claim *storage.Claim) error {
	*d.names = append(*d.names, claim.Name.Name)
	return nil
}

// What an error of the storage means depends on whether the object is there: a write whose answer was lost is done, one that somebody else
// was faster with is undone, and one that may still be on its way is left to the sweeper with its claim.
func TestAnErrorOfTheStorageUndoesWhatIsNotThere(t *testing.T) {
	lost := errors.New("etcdserver: request timed out")
	missing := apistorage.NewKeyNotFoundError("k", 0)
	for _, tc := range []struct {
		name   string
		cause  error
		there  types.UID
		read   error
		stored bool
		undone bool
	}{
		{"the answer was lost", lost, "mine", nil, true, false},
		{"another object is there", lost, "other", nil, false, false},
		{"it is not there yet", lost, "", missing, false, false},
		{"nobody can say", lost, "", lost, false, false},
		{"somebody was faster", apistorage.NewKeyExistsError("k", 0), "other", nil, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var removed, dropped []string
			s := &Store[*object, string]{
				Store: &stored.Store{Store: &genericregistry.Store{NewFunc: func() runtime.Object { return &object{} }}},
				kind:  removals{ids: &removed}, claims: drops{names: &dropped}, clock: clocktesting.NewFakeClock(time.Now()),
			}
			s.Sweeper = &Sweeper[*object, string]{store: s, wake: make(chan struct{}, 1)}
			w := &write[*object, string]{store: s}
			claim := &storage.Claim{Name: storage.Name{Kind: storage.TopicClaim, Name: "orders"}, ID: "id"}
			err := w.notStored(t.Context(), &object{ObjectMeta: metav1.ObjectMeta{UID: "mine"}}, claim, Leftover{}, Outcome[*object]{ID: "id", Made: true}, tc.cause,
				func(_ context.Context, into runtime.Object) error {
					into.(*object).UID = tc.there
					return tc.read
				})
			var done *storedError
			if errors.As(err, &done) != tc.stored || !tc.stored && !errors.Is(err, tc.cause) {
				t.Errorf("%v, want that it is stored: %v", err, tc.stored)
			}
			if undone := len(removed) == 1 && len(dropped) == 1; undone != tc.undone || !undone && len(removed)+len(dropped) > 0 {
				t.Errorf("removed %v, dropped %v, want it undone: %v", removed, dropped, tc.undone)
			}
			if left := s.Sweeper.pending.count() == 1; left != (!tc.stored && !tc.undone) {
				t.Errorf("left to the sweeper: %v", left)
			}
		})
	}
}
