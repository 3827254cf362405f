package brokered

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// withdrawals are what claims say that brokers are asked for and that this server knows them not to have made, because they refused it, or
// were never reached. As long as a claim says so, what somebody else has there would be taken for what was made.
type withdrawals struct {
	mu sync.Mutex
	of map[storage.Name][]withdrawal
}

type withdrawal struct {
	owner  types.UID
	wanted json.RawMessage
}

func (w withdrawal) same(other withdrawal) bool {
	return w.owner == other.owner && bytes.Equal(w.wanted, other.wanted)
}

func (w *withdrawals) add(name storage.Name, of withdrawal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[storage.Name][]withdrawal{}
	}
	if all := w.of[name.Claimed()]; !slices.ContainsFunc(all, of.same) {
		w.of[name.Claimed()] = append(all, of)
	}
}

func (w *withdrawals) get(name storage.Name) []withdrawal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.of[name.Claimed()])
}

func (w *withdrawals) done(name storage.Name, of withdrawal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(w.of[name.Claimed()]), of.same)
	if len(left) == 0 {
		delete(w.of, name.Claimed())
		return
	}
	w.of[name.Claimed()] = left
}

// withdraw notes that a claim's own wish was not carried out, for when the claim could not be changed. It is done before anything else is
// done with the claim. The wish of a former owner stays.
func (w *write[T, H]) withdraw(ctx context.Context, claim *storage.Claim, left Leftover, cause error) {
	s := w.store
	klog.FromContext(ctx).Info("The claim says what was asked for and not made; this is taken back later", "claim", claim.Name, "err", cause)
	for _, wanted := range claim.Wanted {
		if !slices.ContainsFunc(left.Wanted, func(former json.RawMessage) bool { return bytes.Equal(former, wanted) }) {
			s.withdrawals.add(claim.Name, withdrawal{claim.Owner.UID, wanted})
		}
	}
	s.Sweeper.Check(claim.Name, 0)
}

// takeBack carries out what was withdrawn of a claim. Nobody may go by the claim when it fails.
func (s *Store[T, H]) takeBack(ctx context.Context, name storage.Name) error {
	for _, of := range s.withdrawals.get(name) {
		if err := s.changeClaim(ctx, name, storage.Owner{UID: of.owner}, func(c *storage.Claim) bool {
			before := len(c.Wanted)
			c.Wanted = slices.DeleteFunc(slices.Clone(c.Wanted), func(wanted json.RawMessage) bool { return bytes.Equal(wanted, of.wanted) })
			return len(c.Wanted) != before
		}); err != nil {
			return err
		}
		s.withdrawals.done(name, of)
	}
	return nil
}
