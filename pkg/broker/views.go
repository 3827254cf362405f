package broker

import (
	"sync"
	"time"
)

// views are what was heard of topics, and of whom. A broker that is cut off from its controllers goes on answering from the picture that it
// had, for as long as clients reach it. Leader epochs only grow (KIP-320), which tells such an answer from a newer one.
type views struct {
	mu    sync.Mutex
	heard map[TopicID]*view
	// doubted is until when an address whose picture was old is asked after all others.
	doubted map[string]time.Time
}

// view is the newest that was heard of a topic.
type view struct {
	// epochs are the leaders' by partition, -1 for one that was not told.
	epochs []int32
	// partitions is how many there are: they only become more.
	partitions int
	at         time.Time
	// grown is when the last of the epochs was heard first: what was asked for before may be older, and be right.
	grown time.Time
	// older is since when all that is heard is older, and again when that was heard last; zero when the last was not.
	older, again time.Time
}

const (
	// doubtLife is how long a broker whose picture was old is asked after the others. One that is fenced has a new one soon after it is back.
	doubtLife = 30 * time.Second
	// oldViewLife is how long everybody has to go on telling of an older state before it is believed: a cluster that was restored from a backup
	// has lost what came later. They are heard of at least every oldViewPause.
	oldViewLife, oldViewPause = time.Minute, 15 * time.Second
	// viewLife is how long what was heard of a topic is kept.
	viewLife = time.Hour
	// maxGap bounds the ids of partitions that are remembered, and maxViews the topics: whoever answers as an external cluster chooses them. A
	// million partitions are in less than half as many topics.
	maxGap, maxViews = 16, 400_000
)

// older tells whether an answer about a topic that was asked for at a time is older than what had been heard by then; else it is what was
// heard. whole says that brokers tell of all partitions: in ZooKeeper mode they do not hear of those that have never had a leader.
func (v *views) older(asked, now time.Time, t Topic, whole bool) bool {
	if t.ID.IsZero() {
		// Without an id nobody knows whether it is the same topic.
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.heard[t.ID]
	if known == nil {
		if len(v.heard) >= maxViews {
			clear(v.heard)
		}
		known = &view{}
		if v.heard == nil {
			v.heard = map[TopicID]*view{}
		}
		v.heard[t.ID] = known
	}
	if (known.newerThan(t) || whole && len(t.Partitions) < known.partitions) && known.grown.Before(asked) {
		if known.older.IsZero() || now.Sub(known.again) > oldViewPause {
			known.older = now
		}
		known.again = now
		if now.Sub(known.older) < oldViewLife {
			return true
		}
		*known = view{}
	}
	known.take(now, t)
	return false
}

func (w *view) newerThan(t Topic) bool {
	for _, p := range t.Partitions {
		if p.LeaderEpoch >= 0 && int(p.ID) < len(w.epochs) && p.LeaderEpoch < w.epochs[p.ID] {
			return true
		}
	}
	return false
}

func (w *view) take(now time.Time, t Topic) {
	w.at, w.older = now, time.Time{}
	if len(t.Partitions) > w.partitions {
		w.partitions, w.grown = len(t.Partitions), now
	}
	if w.epochs == nil {
		w.epochs = make([]int32, 0, len(t.Partitions))
	}
	for _, p := range t.Partitions {
		if int(p.ID) >= len(t.Partitions)+maxGap {
			continue
		}
		for int(p.ID) >= len(w.epochs) {
			w.epochs = append(w.epochs, -1)
		}
		if p.LeaderEpoch > w.epochs[p.ID] {
			w.epochs[p.ID], w.grown = p.LeaderEpoch, now
		}
	}
}

// keep forgets all topics but those of a list of all, and what was heard since that was asked for.
func (v *views) keep(asked time.Time, all map[string]Topic) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.heard) <= len(all) {
		return
	}
	there := make(map[TopicID]bool, len(all))
	for _, t := range all {
		there[t.ID] = true
	}
	for id, known := range v.heard {
		if !there[id] && known.at.Before(asked) {
			delete(v.heard, id)
		}
	}
}

// doubt has the other brokers asked before the one at an address.
func (v *views) doubt(now time.Time, addr string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.doubted == nil {
		v.doubted = map[string]time.Time{}
	}
	v.doubted[addr] = now.Add(doubtLife)
}

// isDoubted tells whether others are asked before the one at an address.
func (v *views) isDoubted(now time.Time, addr string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return now.Before(v.doubted[addr])
}

// sweep forgets what is no longer of use.
func (v *views) sweep(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, known := range v.heard {
		if now.Sub(known.at) > viewLife {
			delete(v.heard, id)
		}
	}
	for addr, until := range v.doubted {
		if now.After(until) {
			delete(v.doubted, addr)
		}
	}
}

// clear forgets all: another cluster answers.
func (v *views) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.heard)
	clear(v.doubted)
}
