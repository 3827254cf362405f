package brokered

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// meddled is one claim that others change right before it is changed, and of which changes may fail.
type meddled struct {
	Claims
	standing *storage.Claim
	// meddle is what others do, once.
	meddle func(*storage.Claim)
	fail   error
}

func (m *meddled) Get(context.Context, storage.Name) (*storage.Claim, error) {
	if m.standing == nil {
		return nil, m.fail
	}
	claim := *m.standing
	return &claim, m.fail
}

// changed tells how a change fails.
func (m *meddled) changed() error {
	if m.fail != nil {
		return m.fail
	}
	if m.meddle == nil {
		return nil
	}
	m.meddle(m.standing)
	m.meddle = nil
	return storage.ErrClaimChanged
}

func (m *meddled) Update(_ context.Context, claim *storage.Claim, change func(*storage.Claim)) (*storage.Claim, error) {
	if err := m.changed(); err != nil {
		return nil, err
	}
	next := *claim
	change(&next)
	m.standing = &next
	return &next, nil
}

func (m *meddled) Drop(context.Context, *storage.Claim) error {
	if err := m.changed(); err != nil {
		return err
	}
	m.standing = nil
	return nil
}

// onePod is one of several servers.
type onePod struct{ Servers }

func (onePod) ID(context.Context) (string, error)          { return "this", nil }
func (onePod) Alone() bool                                 { return false }
func (onePod) Lives(context.Context, string) (bool, error) { return true, nil }

// named is a kind whose objects claim their names.
type named struct{ Kind[*object, string] }

func (named) Name(obj *object) storage.Name {
	return topicOf(types.NamespacedName{Namespace: "n", Name: "k"}, obj.Name)
}

func newMeddled(standing storage.Claim) (*meddled, *write[*object, string]) {
	m := &meddled{standing: &standing}
	s := &Store[*object, string]{Store: &stored.Store{Store: &genericregistry.Store{}}, kind: named{}, claims: m, servers: onePod{}, clock: clocktesting.NewFakeClock(time.Now())}
	s.Sweeper = &Sweeper[*object, string]{store: s, wake: make(chan struct{}, 1)}
	return m, &write[*object, string]{store: s}
}

func orders(owner types.UID) storage.Claim {
	return storage.Claim{Name: topicOf(types.NamespacedName{Namespace: "n", Name: "k"}, "orders"), Owner: storage.Owner{Namespace: "n", Name: "orders", UID: owner},
		Server: "this", Wanted: []json.RawMessage{json.RawMessage(`{"partitions":3}`)}}
}

// A sweeper that looks at a claim changes it. What a create has to say in it is said all the same, of its own claim and of no other's.
func TestAClaimThatOthersChangeIsChangedAllTheSame(t *testing.T) {
	since := time.Unix(1_700_000_000, 0)
	seen := func(c *storage.Claim) { c.Since = since }
	found := func(c *storage.Claim) { c.TombstonedIDs = []string{"former"} }
	gone := func(c *storage.Claim) { *c = orders("next") }
	do := map[string]func(w *write[*object, string], claim *storage.Claim){
		"note": func(w *write[*object, string], claim *storage.Claim) {
			w.note(context.Background(), claim, Outcome[*object]{ID: "id", Made: true}, nil)
		},
		"take back": func(w *write[*object, string], claim *storage.Claim) {
			w.takeBackWish(context.Background(), claim, Leftover{}, false)
		},
		"give back": func(w *write[*object, string], claim *storage.Claim) {
			w.giveBack(context.Background(), claim, Leftover{})
		},
	}
	for _, tc := range []struct {
		what, name string
		meddle     func(*storage.Claim)
		want       func(c *storage.Claim) bool
	}{
		{"note", "seen", seen, func(c *storage.Claim) bool { return c.ID == "id" && c.Wanted == nil && c.Since.Equal(since) }},
		{"note", "another's", gone, func(c *storage.Claim) bool { return c.Owner.UID == "next" && c.ID == "" && len(c.Wanted) == 1 }},
		{"take back", "seen", seen, func(c *storage.Claim) bool { return c.Wanted == nil && c.Since.Equal(since) }},
		{"take back", "another's", gone, func(c *storage.Claim) bool { return c.Owner.UID == "next" && len(c.Wanted) == 1 }},
		{"give back", "seen", seen, func(c *storage.Claim) bool { return c == nil }},
		{"give back", "found", found, func(c *storage.Claim) bool {
			return c != nil && c.Wanted == nil && c.Server == "" && len(c.TombstonedIDs) == 1
		}},
		{"give back", "another's", gone, func(c *storage.Claim) bool { return c != nil && c.Owner.UID == "next" && len(c.Wanted) == 1 }},
	} {
		t.Run(tc.what+"/"+tc.name, func(t *testing.T) {
			m, w := newMeddled(orders("mine"))
			m.meddle = tc.meddle
			claim := orders("mine")
			do[tc.what](w, &claim)
			if m.meddle != nil || !tc.want(m.standing) {
				t.Errorf("the claim is %+v", m.standing)
			}
		})
	}
}

// Two wishes of one name are not carried out, and etcd fails: both are taken back when it answers.
func TestAllThatWasWithdrawnIsTakenBack(t *testing.T) {
	m, w := newMeddled(orders("mine"))
	wish := func(partitions string) json.RawMessage { return json.RawMessage(`{"partitions":` + partitions + `}`) }
	m.standing.Wanted = []json.RawMessage{wish("5"), wish("4"), wish("3"), wish("2")}
	claim := *m.standing
	m.fail = errors.New("no leader")
	w.takeBackWish(t.Context(), &claim, Leftover{Wanted: []json.RawMessage{wish("3")}}, false)
	claim.Wanted = []json.RawMessage{wish("2")}
	w.giveBack(t.Context(), &claim, Leftover{})
	if err := w.store.takeBack(t.Context(), claim.Name); err == nil {
		t.Error("it is taken back although etcd fails")
	}
	m.fail = nil
	if err := w.store.takeBack(t.Context(), claim.Name); err != nil {
		t.Fatal(err)
	}
	if got := m.standing.Wanted; len(got) != 1 || string(got[0]) != string(wish("3")) {
		t.Errorf("the claim says %s", got)
	}
	if left := w.store.withdrawals.of; len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// An object was deleted, and the next one of its name is being created: what still changes the former keeps nobody out of the name.
func TestAFenceIsTheObjectsOwn(t *testing.T) {
	obj := &object{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "orders", UID: "mine"}}
	for owner, mine := range map[types.UID]bool{"mine": true, "next": false} {
		m, w := newMeddled(orders(owner))
		done := false
		err := w.store.Exclusively(t.Context(), obj, func(context.Context) error {
			done = true
			if m.standing.Fence != "this" {
				t.Errorf("no fence is up: %+v", m.standing)
			}
			return nil
		})
		if done != mine || mine && err != nil || !mine && !apierrors.IsConflict(err) {
			t.Errorf("claim of %s: done %v, %v", owner, done, err)
		}
		if m.standing.Fence != "" {
			t.Errorf("claim of %s: a fence is left: %+v", owner, m.standing)
		}
	}
}
