package kafkatopic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// suspects are the topic names whose claims may be tombstones, by cluster.
type suspects struct {
	mu    sync.Mutex
	wards map[types.NamespacedName]*ward
}

// ward are the suspects of one cluster. Each cluster is swept on its own, so that a sick one delays only itself.
type ward struct {
	names map[string]suspect
	busy  bool
}

// suspect is a topic name whose claim may be a tombstone.
type suspect struct {
	// due is when to look, and delay what was waited for after the last refusal.
	due   time.Time
	delay time.Duration
	// revision is that of a claim that may be of a create under way, and since is when it was first seen so.
	revision int64
	since    time.Time
}

// add makes a name a suspect that is due at a time, or sooner when it is one that is due sooner.
func (s *suspects) add(cluster types.NamespacedName, topic string, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wards == nil {
		s.wards = map[types.NamespacedName]*ward{}
	}
	w := s.wards[cluster]
	if w == nil {
		w = &ward{names: map[string]suspect{}}
		s.wards[cluster] = w
	}
	one, known := w.names[topic]
	if !known || due.Before(one.due) {
		one.due = due
	}
	w.names[topic] = one
}

// count is how many suspects there are.
func (s *suspects) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wards {
		n += len(w.names)
	}
	return n
}

// hurry makes all suspects due that wait for the requests that deleted their objects.
func (s *suspects) hurry(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wards {
		for name, one := range w.names {
			if one.delay == 0 && one.due.After(now) {
				one.due = now
				w.names[name] = one
			}
		}
	}
}

// idle are the clusters with suspects that are due and that nobody is sweeping; the caller sweeps each and says ended.
func (s *suspects) idle(now time.Time) []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	var clusters []types.NamespacedName
	for cluster, w := range s.wards {
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

// due are the suspects of a cluster to look at now.
func (s *suspects) due(cluster types.NamespacedName, now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, one := range s.wards[cluster].names {
		if !one.due.After(now) {
			names = append(names, name)
		}
	}
	return names
}

func (s *suspects) ended(cluster types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.wards[cluster]
	w.busy = false
	if len(w.names) == 0 {
		delete(s.wards, cluster)
	}
}

// clear takes a name off the list.
func (s *suspects) clear(cluster types.NamespacedName, topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.wards[cluster]; w != nil {
		delete(w.names, topic)
	}
}

// refused makes a suspect wait, twice as long as the last time.
func (s *suspects) refused(cluster types.NamespacedName, topic string, now time.Time) {
	s.change(cluster, topic, func(one *suspect) {
		one.delay = min(max(2*one.delay, sweepEvery), maxSweepDelay)
		one.due = now.Add(one.delay)
	})
}

// watched notes that a claim may be that of a create under way, and tells for how long it has been so, unchanged.
func (s *suspects) watched(cluster types.NamespacedName, topic string, revision int64, now time.Time) (age time.Duration) {
	s.change(cluster, topic, func(one *suspect) {
		if one.revision != revision {
			one.revision, one.since = revision, now
		}
		// The clock's readings hold a monotonic one, so that this is a duration even when the wall clock jumps.
		age = now.Sub(one.since)
	})
	return age
}

func (s *suspects) change(cluster types.NamespacedName, topic string, change func(*suspect)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.wards[cluster]
	if w == nil {
		return
	}
	if one, known := w.names[topic]; known {
		change(&one)
		w.names[topic] = one
	}
}
