package brokered

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/jitter"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

const (
	// scanEvery is how often all claims are looked through. It is for what no request of this server knows of: what was left by a
	// server that was killed. Everything else is noted by name when it happens, so that a scan finds nothing, usually.
	scanEvery = 5 * time.Minute
	// sweepEvery is how often pending deletions are looked at, and so how soon topics go when their brokers are back.
	sweepEvery = 5 * time.Second
	// requestFirst is how long a deletion is left to the request that deleted its object.
	requestFirst = 2 * time.Second
	// sweepTimeout bounds the deletion of one topic.
	sweepTimeout = 10 * time.Second
	// sweepWidth is the number of topics of one cluster in work at once; the gateway puts them into shared requests.
	sweepWidth = 64
	// maxSweepDelay bounds the delays after refusals.
	maxSweepDelay = 5 * time.Minute
	// inFlight is how long a claim that may be that of a create under way has to stand unchanged before this server's eyes until it is
	// taken for what is left of a server that was killed: well above the 34 seconds that a write can last.
	inFlight = 60 * time.Second
)

// Sweeper deletes, by id, what objects had on the brokers that are gone: those whose brokers were away when the object was deleted, and
// those of objects that went many at a time. With nothing deleted it asks nobody for anything.
type Sweeper[T Object, H any] struct {
	store   *Store[T, H]
	guard   stored.Guard
	metrics *loopmetrics.Metrics
	name    string
	wake    chan struct{}
	pending pendingDeletions
	// placing tells that placeAll is under way.
	placing atomic.Bool
}

// Check makes Run look at the claim on a name after some time.
func (s *Sweeper[T, H]) Check(name storage.Name, after time.Duration) {
	s.pending.add(name, s.store.clock.Now().Add(after))
	if after == 0 {
		s.nudge()
	}
}

// Hurry makes Run look at once at what would be left to requests.
func (s *Sweeper[T, H]) Hurry() {
	s.pending.hurry(s.store.clock.Now())
	s.nudge()
}

func (s *Sweeper[T, H]) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sweeps until ctx ends. Several servers may do so at once: deleting by id can be repeated.
func (s *Sweeper[T, H]) Run(ctx context.Context) {
	// Servers that were started together would read the same claims in the same moment, each time.
	scan, sweep := jitter.NewTicker(s.store.clock, scanEvery), jitter.NewTicker(s.store.clock, sweepEvery)
	defer scan.Stop()
	defer sweep.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	scanned := s.scan(ctx)
	for {
		s.metrics.Waiting(s.name, s.pending.count())
		for _, cluster := range s.pending.idle(s.store.clock.Now()) {
			running.Go(func() {
				defer s.pending.ended(cluster)
				s.sweepCluster(ctx, cluster)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-scan.C():
			scan.Next()
			scanned = false
		case <-sweep.C():
			sweep.Next()
		case <-s.wake:
		}
		if !scanned {
			scanned = s.scan(ctx)
		}
	}
}

// sweepCluster looks at the names of a cluster that are due: at one alone first, to know whether the brokers are there, then at
// many at once.
func (s *Sweeper[T, H]) sweepCluster(ctx context.Context, cluster types.NamespacedName) {
	names := s.pending.due(cluster, s.store.clock.Now())
	var mu sync.Mutex
	var lastErr error
	left := 0
	look := func(name storage.Name) error {
		err := s.sweepName(ctx, name)
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			lastErr = err
			left++
		}
		return err
	}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if s.store.backend.Away(look(name)) {
			left += len(names)
			names = nil
		}
		var running sync.WaitGroup
		for range min(sweepWidth, len(names)) {
			name := names[0]
			names = names[1:]
			running.Go(func() { _ = look(name) })
		}
		running.Wait()
	}
	logger := klog.FromContext(ctx)
	if s.store.backend.Away(lastErr) {
		// Said again and again while an outage lasts, which the Kafka's status tells.
		logger = logger.V(2)
	}
	if lastErr != nil && ctx.Err() == nil {
		logger.Info("Topics of deleted objects stay for now", "kafka", cluster, "topics", left, "err", lastErr)
	}
}

// sweepName looks at the claim on one name.
func (s *Sweeper[T, H]) sweepName(ctx context.Context, name storage.Name) (err error) {
	defer crash.Recover(&err)
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	start, asked := s.store.clock.Now(), s.pending.asked(name)
	var c *storage.Claim
	if err = s.store.takeBack(ctx, name); err == nil {
		c, err = s.store.claims.Get(ctx, name)
	}
	if err == nil {
		c, err = s.store.lowerFence(ctx, c)
	}
	done := err == nil && c == nil
	if err == nil && c != nil {
		done, err = s.sweep(ctx, c)
	}
	switch {
	case done:
		s.pending.clear(name, asked)
	case err == nil:
		// What may appear yet is looked for less and less often.
		s.pending.later(name, asked, s.store.clock.Now(), inFlight/2)
	case !s.store.backend.Away(err):
		s.pending.later(name, asked, s.store.clock.Now(), maxSweepDelay)
	}
	failure := err
	if s.store.backend.Away(err) {
		// Brokers that are away are no failure of this loop, as of no controller: the name waits.
		failure = nil
	}
	s.metrics.Observe(s.name, failure, s.store.clock.Since(start))
	s.metrics.Waiting(s.name, s.pending.count())
	return err
}

// finish sweeps what an object had that was just deleted. Somebody else may be at it, too, and be faster.
func (s *Sweeper[T, H]) finish(ctx context.Context, obj T) error {
	name := s.store.kind.Name(obj)
	asked := s.pending.asked(name)
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	for {
		if err := s.store.takeBack(ctx, name); err != nil {
			return err
		}
		c, err := s.store.claims.Get(ctx, name)
		if err != nil {
			return err
		}
		if c == nil || c.Owner.UID != obj.GetUID() {
			return nil
		}
		done, err := s.sweep(ctx, c)
		if done {
			s.pending.clear(name, asked)
		}
		if !errors.Is(err, storage.ErrClaimChanged) {
			return err
		}
	}
}

// sweep does what a claim still asks for, and drops it when its owner is gone. done is false when there is to be another look
// although nothing failed.
func (s *Sweeper[T, H]) sweep(ctx context.Context, c *storage.Claim) (done bool, err error) {
	owner, owned, err := s.store.owner(ctx, c)
	if err != nil {
		return false, err
	}
	awaits := ""
	if !owned && s.store.awaited(c) {
		awaits = c.Owner.Namespace
	}
	s.pending.awaits(c.Name, awaits)
	if owned && len(c.TombstonedIDs) == 0 {
		return s.recognize(ctx, owner)
	}
	ids := c.TombstonedIDs
	if !owned {
		creating, err := s.creating(ctx, c)
		if err != nil || creating {
			return false, err
		}
		if c, err = s.find(ctx, c); err != nil {
			return false, err
		}
		ids = tombstoned(c)
	}
	kept, err := s.remove(ctx, c, ids)
	if err != nil {
		return false, err
	}
	if kept && !owned {
		// It was told that it stays, and nothing else is made of the name while it is there.
		return true, s.store.claims.Drop(ctx, c)
	}
	if !owned && !c.Retain && len(c.Wanted) > 0 && s.watched(c) < inFlight {
		// What makes it may still be on its way to the brokers.
		return false, nil
	}
	switch {
	case owned:
		_, err = s.store.claims.Update(ctx, c, func(c *storage.Claim) { c.TombstonedIDs = nil })
	case s.store.awaited(c):
		return s.await(ctx, c)
	default:
		err = s.store.claims.Drop(ctx, c)
	}
	return err == nil && (!owned || !s.unrecorded(owner, c)), err
}

// creating tells whether a claim without a stored owner can be that of a create that has not stored its object yet. How old it is does
// not tell: it was another server's clock, and clocks jump.
func (s *Sweeper[T, H]) creating(ctx context.Context, c *storage.Claim) (bool, error) {
	if c.Server == "" || s.watched(c) >= inFlight {
		return false, nil
	}
	if id, err := s.store.servers.ID(ctx); err != nil || id == c.Server {
		return err == nil, err
	}
	return s.store.servers.Lives(ctx, c.Server)
}

func (s *Sweeper[T, H]) watched(c *storage.Claim) time.Duration {
	return s.pending.watched(c.Name, c.Revision(), s.store.clock.Now())
}

// find looks for what a deleted object may have on the brokers although nobody recorded its id: the answer to its creation was lost, or
// the server that got it was killed. It becomes the claim's, which nobody must have taken over meanwhile, before it is deleted.
func (s *Sweeper[T, H]) find(ctx context.Context, c *storage.Claim) (*storage.Claim, error) {
	if c.Retain || len(c.Wanted) == 0 && c.ReportedID == "" {
		return c, nil
	}
	host, uid, found, err := s.store.backend.Host(ctx, c.Cluster)
	if err != nil {
		return c, err
	}
	if found && !c.OfKafka(uid) {
		// The id of the cluster may be mistyped as long as it has not answered.
		if _, err := s.store.kind.Members(ctx, host); err != nil {
			return c, err
		}
	}
	if !found || !c.OfKafka(uid) {
		none := *c
		none.Wanted, none.ReportedID = nil, ""
		return &none, nil
	}
	id, err := s.store.kind.Find(ctx, host, c)
	if err != nil || id == "" {
		return c, err
	}
	return s.store.claims.Update(ctx, c, func(c *storage.Claim) {
		if c.ID != "" && c.ID != id {
			c.TombstonedIDs = append(c.TombstonedIDs, c.ID)
		}
		if c.ID != id && c.ReportedID != id {
			c.Unprove(id)
		}
		c.ID, c.Wanted, c.ReportedID, c.ReportedAs = id, nil, "", nil
	})
}

// remove deletes what has some ids, of a cluster that may be gone with all that it hosted. kept says that some of it stays for good.
func (s *Sweeper[T, H]) remove(ctx context.Context, c *storage.Claim, ids []string) (kept bool, err error) {
	if len(ids) == 0 {
		return false, nil
	}
	host, _, found, err := s.store.backend.Host(ctx, c.Cluster)
	if !found || err != nil {
		return false, err
	}
	for _, id := range ids {
		stays, err := s.store.kind.Remove(ctx, host, c.Name, id, slices.Contains(c.Unproven, id))
		if err != nil {
			return false, err
		}
		kept = kept || stays
	}
	return kept, nil
}
