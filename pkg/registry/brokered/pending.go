package brokered

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// pendingDeletions are the names whose claims may be tombstones, by cluster.
type pendingDeletions struct {
	mu       sync.Mutex
	clusters map[types.NamespacedName]*pendingCluster
	// total is how many there are: it is told after each of thousands.
	total   int
	awaited awaitedNames
}

// pendingCluster are the pending deletions of one cluster. Each cluster is swept on its own, so that a sick one delays only itself.
type pendingCluster struct {
	names map[storage.Name]pendingDeletion
	busy  bool
}

// pendingDeletion is a name whose claim may be a tombstone.
type pendingDeletion struct {
	// due is when to look, and delay what was waited for after the last refusal.
	due   time.Time
	delay time.Duration
	// asked is how many times somebody has said that there is something to look at.
	asked int
	// revision is that of a claim that may be of a create under way, and since is when it was first seen so.
	revision int64
	since    time.Time
	// sight is of a name under which something may come late.
	sight sight
	// awaits is the namespace of the deleted object for which something may come late.
	awaits string
}

// add makes a name pending that is due at a time, or sooner when it is one that is due sooner.
func (s *pendingDeletions) add(name storage.Name, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clusters == nil {
		s.clusters = map[types.NamespacedName]*pendingCluster{}
	}
	w := s.clusters[name.Cluster]
	if w == nil {
		w = &pendingCluster{names: map[storage.Name]pendingDeletion{}}
		s.clusters[name.Cluster] = w
	}
	one, known := w.names[name]
	if !known || due.Before(one.due) {
		one.due = due
	}
	if !known {
		s.total++
	}
	one.asked++
	w.names[name] = one
}

// asked is how many times a name was added. Who is about to look at its claim says so when it is done: what was added meanwhile may be about
// something that came after the look.
func (s *pendingDeletions) asked(name storage.Name) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.clusters[name.Cluster]; w != nil {
		return w.names[name].asked
	}
	return 0
}

// count is how many there are.
func (s *pendingDeletions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// hurry makes all due that wait for the requests that deleted their objects.
func (s *pendingDeletions) hurry(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.clusters {
		for name, one := range w.names {
			if one.delay == 0 && one.due.After(now) {
				one.due = now
				w.names[name] = one
			}
		}
	}
}

// idle are the clusters with pending deletions that are due and that nobody is sweeping; the caller sweeps each and says ended.
func (s *pendingDeletions) idle(now time.Time) []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	var clusters []types.NamespacedName
	for cluster, w := range s.clusters {
		if w.busy {
			continue
		}
		for _, one := range w.names {
			if !one.due.After(now) {
				w.busy = true
				clusters = append(clusters, cluster)
				break
			}
		}
	}
	return clusters
}

// due are the names of a cluster to look at now.
func (s *pendingDeletions) due(cluster types.NamespacedName, now time.Time) []storage.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.clusters[cluster]
	if w == nil {
		return nil
	}
	var names []storage.Name
	for name, one := range w.names {
		if !one.due.After(now) {
			names = append(names, name)
		}
	}
	return names
}

func (s *pendingDeletions) ended(cluster types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.clusters[cluster]
	w.busy = false
	if len(w.names) == 0 {
		delete(s.clusters, cluster)
	}
}

// clear takes a name off the list that nobody has added since it was asked for.
func (s *pendingDeletions) clear(name storage.Name, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.clusters[name.Cluster]
	if w == nil {
		return
	}
	if one, known := w.names[name]; known && one.asked == asked {
		if one.awaits != "" {
			s.awaited.remove(one.awaits, name)
		}
		s.total--
		delete(w.names, name)
		if len(w.names) == 0 && !w.busy {
			delete(s.clusters, name.Cluster)
		}
	}
}

// later makes a name wait, twice as long as the last time up to a bound, that nobody has added since it was asked for.
func (s *pendingDeletions) later(name storage.Name, asked int, now time.Time, most time.Duration) {
	s.change(name, func(one *pendingDeletion) {
		if one.asked == asked {
			one.delay = min(max(2*one.delay, sweepEvery), most)
			one.due = now.Add(one.delay)
		}
	})
}

// watched notes that a claim may be that of a create under way, and tells for how long it has been so, unchanged.
func (s *pendingDeletions) watched(name storage.Name, revision int64, now time.Time) (age time.Duration) {
	s.change(name, func(one *pendingDeletion) {
		if one.revision != revision {
			one.revision, one.since = revision, now
		}
		// The clock's readings hold a monotonic one, so that this is a duration even when the wall clock jumps.
		age = now.Sub(one.since)
	})
	return age
}

// see notes what was seen of a name under which something may come late.
func (s *pendingDeletions) see(name storage.Name, seen sight) {
	s.change(name, func(one *pendingDeletion) { one.sight = seen })
}

// sight is what was seen of a name last.
func (s *pendingDeletions) sight(name storage.Name) (seen sight) {
	s.change(name, func(one *pendingDeletion) { seen = one.sight })
	return seen
}

// seen notes that something has a name, and tells for how long that was so when somebody looked.
func (s *pendingDeletions) seen(name storage.Name, now time.Time) (age time.Duration) {
	s.change(name, func(one *pendingDeletion) {
		if one.sight.since.IsZero() {
			one.sight.since = now
		}
		age = now.Sub(one.sight.since)
	})
	return age
}

func (s *pendingDeletions) change(name storage.Name, change func(*pendingDeletion)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.clusters[name.Cluster]
	if w == nil {
		return
	}
	if one, known := w.names[name]; known {
		change(&one)
		w.names[name] = one
	}
}
