package metadata

import (
	"slices"
	"sync"
	"time"
)

// views are what was heard of topics, and of whom. A broker that is cut off from its controllers goes on answering from the picture that it
// had, for as long as clients reach it. Leader epochs only grow (KIP-320), which tells such an answer from a newer one.
type views struct {
	mu    sync.Mutex
	heard map[TopicID]view
	// behind are the topics of which all that is heard is older.
	behind map[TopicID]lag
}

// view is the newest that was heard of a topic. There may be hundreds of thousands.
type view struct {
	// epochs are the leaders' by partition, -1 for one that was not told.
	epochs []int32
	// at is when it was heard last, and grown when the last of the epochs was heard first, in Unix nanoseconds: what was asked for before
	// that may be older, and be right.
	at, grown int64
	// partitions is how many there are: they only become more.
	partitions int32
}

// lag is since when all that is heard of a topic is older, and when that was heard last.
type lag struct{ since, again time.Time }

const (
	// oldViewLife is how long everybody has to go on telling of an older state before it is believed: a cluster that was restored from a backup
	// has lost what came later. They are heard of at least every oldViewPause.
	oldViewLife, oldViewPause = time.Minute, 15 * time.Second
	// viewLife is how long what was heard of a topic is kept.
	viewLife = time.Hour
	// maxGap bounds the ids of partitions that are remembered, and maxViews the topics: whoever answers as an external cluster chooses them. A
	// million partitions are in less than half as many topics.
	maxGap, maxViews = 16, 400_000
)

// older tells whether an answer about a topic's partitions that was asked for at a time is older than what had been heard by then; else it is
// what was heard. whole says that brokers tell of all partitions: in ZooKeeper mode they do not hear of those that have never had a leader.
func (v *views) older(asked, now time.Time, id TopicID, partitions []partitionEpoch, whole bool) bool {
	if id.IsZero() {
		// Without an id nobody knows whether it is the same topic.
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.heard[id]
	if !found && len(v.heard) >= maxViews {
		clear(v.heard)
		clear(v.behind)
	}
	if v.heard == nil {
		v.heard, v.behind = map[TopicID]view{}, map[TopicID]lag{}
	}
	if (known.newerThan(partitions) || whole && len(partitions) < int(known.partitions)) && known.grown < asked.UnixNano() {
		behind, before := v.behind[id]
		if !before || now.Sub(behind.again) > oldViewPause {
			behind.since = now
		}
		behind.again = now
		v.behind[id] = behind
		if now.Sub(behind.since) < oldViewLife {
			return true
		}
		known = view{}
	}
	delete(v.behind, id)
	known.take(now, partitions)
	v.heard[id] = known
	return false
}

func (w *view) newerThan(partitions []partitionEpoch) bool {
	for _, p := range partitions {
		if p.epoch >= 0 && int(p.id) < len(w.epochs) && p.epoch < w.epochs[p.id] {
			return true
		}
	}
	return false
}

func (w *view) take(now time.Time, partitions []partitionEpoch) {
	w.at = now.UnixNano()
	if n := len(partitions); n > int(w.partitions) {
		w.partitions, w.grown = int32(n), w.at
		w.epochs = slices.Grow(w.epochs, n-len(w.epochs))
	}
	for _, p := range partitions {
		if int(p.id) >= len(partitions)+maxGap {
			continue
		}
		for int(p.id) >= len(w.epochs) {
			w.epochs = append(w.epochs, -1)
		}
		if p.epoch > w.epochs[p.id] {
			w.epochs[p.id], w.grown = p.epoch, w.at
		}
	}
}

// keep forgets all topics but those of a list of all, and what was heard since that was asked for.
func (v *views) keep(asked time.Time, all map[string]TopicCounts) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.heard) <= len(all) {
		return
	}
	there := make(map[TopicID]struct{}, len(all))
	for _, t := range all {
		there[t.ID] = struct{}{}
	}
	for id, known := range v.heard {
		if _, is := there[id]; !is && known.at < asked.UnixNano() {
			v.forget(id)
		}
	}
}

func (v *views) forget(id TopicID) {
	delete(v.heard, id)
	delete(v.behind, id)
}

// sweep forgets what is no longer of use.
func (v *views) sweep(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, known := range v.heard {
		if now.UnixNano()-known.at > int64(viewLife) {
			v.forget(id)
		}
	}
}

// clear forgets all: another cluster answers.
func (v *views) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.heard)
	clear(v.behind)
}
