package kafka

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// deletions are the Kafkas whose deletion this process saw. It is lost with the process, and only ever makes things slower.
type deletions struct {
	mu   sync.Mutex
	uids map[types.UID]struct{}
}

func (d *deletions) add(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uids == nil {
		d.uids = map[types.UID]struct{}{}
	}
	d.uids[uid] = struct{}{}
}

func (d *deletions) seen(uid types.UID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.uids[uid]
	return ok && uid != ""
}

func (d *deletions) forget(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.uids, uid)
}

// complaints keep an event that says the same again from being sent again.
type complaints struct {
	mu   sync.Mutex
	last map[string]string
}

// first tells whether this is news about an object.
func (c *complaints) first(about, what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string]string{}
	}
	if c.last[about] == what {
		return false
	}
	c.last[about] = what
	return true
}

// settle forgets what was said about an object.
func (c *complaints) settle(about string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.last, about)
}

// silences are since when metadata quorums have not answered, by the UIDs of their Kafkas. They are lost with the process: what was told
// before that is in the status.
type silences struct {
	mu    sync.Mutex
	since map[types.UID]time.Time
}

// heard takes note of whether a quorum answers, and returns for how long it has not.
func (s *silences) heard(of types.UID, answers bool, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answers {
		delete(s.since, of)
		return 0
	}
	since, silent := s.since[of]
	if !silent {
		if s.since == nil {
			s.since = map[types.UID]time.Time{}
		}
		since = now
		s.since[of] = now
	}
	return now.Sub(since)
}

func (s *silences) forget(of types.UID) { s.heard(of, true, time.Time{}) }

// storageTTL is how old the storage identity that anchors are stamped with may be. It changes when somebody replaces the storage.
const storageTTL = time.Minute

// storageIdentity keeps the identity of the storage for a while: it is wanted at each sync.
type storageIdentity struct {
	mu    sync.Mutex
	value string
	until time.Time
}

func (s *storageIdentity) get(ctx context.Context, now time.Time, read func(context.Context) (string, error)) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return s.value, nil
	}
	value, err := read(ctx)
	if err != nil {
		return "", err
	}
	s.value, s.until = value, now.Add(storageTTL)
	return value, nil
}
