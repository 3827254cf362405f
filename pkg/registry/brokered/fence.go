package brokered

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Exclusively does something on the brokers about the name of a stored object while no other request does, of this server or of another. ctx
// bounds how long it waits for them.
func (s *Store[T, H]) Exclusively(ctx context.Context, obj T, do func(context.Context) error) error {
	unlock, err := s.locks.lock(ctx, s.kind.Name(obj))
	if err != nil {
		return err
	}
	defer unlock()
	if s.servers.Alone() {
		return do(ctx)
	}
	lower, err := s.raiseFence(ctx, obj)
	if err != nil {
		return err
	}
	defer lower()
	return do(ctx)
}

// fencePoll is how often a name is looked at that another server works on.
const fencePoll = 50 * time.Millisecond

// raiseFence keeps other servers from an object's name. When the object was deleted meanwhile the name may be the next one's, whose create must
// not be kept waiting.
func (s *Store[T, H]) raiseFence(ctx context.Context, obj T) (lower func(), err error) {
	id, err := s.servers.ID(ctx)
	if err != nil {
		return nil, err
	}
	name := s.kind.Name(obj)
	var up *storage.Claim
	err = wait.PollUntilContextCancel(ctx, fencePoll, true, func(ctx context.Context) (bool, error) {
		claim, err := s.claims.Get(ctx, name)
		if err != nil || claim == nil {
			return claim == nil, err
		}
		if claim.Owner.UID != obj.GetUID() {
			return false, apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), errGone)
		}
		if fenced, err := s.fenced(ctx, claim); err != nil || fenced {
			return false, err
		}
		up, err = s.claims.Update(ctx, claim, func(c *storage.Claim) { c.Fence = id })
		if errors.Is(err, storage.ErrClaimChanged) {
			return false, nil
		}
		return err == nil, err
	})
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("another server changes %s: %w", name, err)
	}
	if up == nil {
		return func() {}, nil
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
		if err := s.changeClaim(ctx, name, up.Owner, func(c *storage.Claim) bool {
			mine := c.Fence == id
			c.Fence = ""
			return mine
		}); err != nil {
			klog.FromContext(ctx).Info("Fence not lowered, the sweeper does it", "claim", name, "err", err)
			s.Sweeper.Check(name, 0)
		}
	}, nil
}

// errGone is why nothing is done for an object any more.
var errGone = errors.New("the object was deleted meanwhile")

// fenced tells whether another server changes what has a claim's name. A fence of a server that is gone counts no more.
func (s *Store[T, H]) fenced(ctx context.Context, claim *storage.Claim) (bool, error) {
	if claim.Fence == "" || s.servers.Alone() {
		return false, nil
	}
	id, err := s.servers.ID(ctx)
	if err != nil || claim.Fence == id {
		return false, err
	}
	return s.servers.Lives(ctx, claim.Fence)
}

// lowerFence lowers a fence of this server that is still up although no request of it changes the name: its claim could not be written
// when one ended, and would keep other servers out for as long as this one lives. It returns the claim as it stands then.
func (s *Store[T, H]) lowerFence(ctx context.Context, claim *storage.Claim) (*storage.Claim, error) {
	if claim == nil || claim.Fence == "" || s.servers.Alone() {
		return claim, nil
	}
	id, err := s.servers.ID(ctx)
	if err != nil || claim.Fence != id {
		return claim, err
	}
	unlock, err := s.locks.lock(ctx, claim.Name)
	if err != nil {
		return claim, err
	}
	defer unlock()
	claim, err = s.claims.Get(ctx, claim.Name)
	if err != nil || claim == nil || claim.Fence != id {
		return claim, err
	}
	return s.claims.Update(ctx, claim, func(c *storage.Claim) { c.Fence = "" })
}
