package metadata

import (
	"maps"
	"slices"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
)

// Expectations are this gateway's own writes of the last moments. A write is accepted by the controller, and other brokers hear
// of it some milliseconds later: without this, a read right after a create could answer that there is no such topic.
type Expectations struct {
	mu     sync.Mutex
	topics map[string]expectation
	gone   map[TopicID]settling
	config map[string]map[string]expectedValue
	// moved are the new places of partitions, by topic.
	moved map[string]map[int32]place
}

// settling is from when to when a write may not be known everywhere.
type settling struct{ since, until time.Time }

type expectation struct {
	settling
	id         TopicID
	partitions int
}

type place struct {
	until    time.Time
	replicas []int32
}

type expectedValue struct {
	until time.Time
	// value is nil when the setting was removed.
	value *string
}

const (
	// SettleTime is how long a broker may take to hear of a write before its view is believed.
	SettleTime = 2 * time.Second
	// busySettleTime is the same in KRaft mode, where no broker knows better whether a topic exists: a busy one makes the folders of
	// hundreds of new topics before it shows any (seen on 4.3.1: four seconds behind the controller). A look at all topics is not held
	// up that long for one of them.
	busySettleTime = 10 * time.Second
)

// Created notes that a topic exists with at least so many partitions.
func (e *Expectations) Created(now time.Time, settle time.Duration, name string, id TopicID, partitions int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.topics == nil {
		e.topics = map[string]expectation{}
	}
	e.topics[name] = expectation{settling{now, now.Add(settle)}, id, partitions}
}

// Deleted notes that no topic has an id any more.
func (e *Expectations) Deleted(now time.Time, settle time.Duration, id TopicID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone == nil {
		e.gone = map[TopicID]settling{}
	}
	e.gone[id] = settling{now, now.Add(settle)}
	for name, want := range e.topics {
		if want.id == id {
			delete(e.topics, name)
		}
	}
}

// Configured notes settings written; a nil value means removed.
func (e *Expectations) Configured(now time.Time, topic string, values map[string]*string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.config == nil {
		e.config = map[string]map[string]expectedValue{}
	}
	if e.config[topic] == nil {
		e.config[topic] = map[string]expectedValue{}
	}
	for key, value := range values {
		e.config[topic][key] = expectedValue{now.Add(SettleTime), value}
	}
}

// Reassigned notes where a partition goes, with nil that it no longer does.
func (e *Expectations) Reassigned(now time.Time, topic string, partition int32, replicas []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if replicas == nil {
		delete(e.moved[topic], partition)
		return
	}
	if e.moved == nil {
		e.moved = map[string]map[int32]place{}
	}
	if e.moved[topic] == nil {
		e.moved[topic] = map[int32]place{}
	}
	e.moved[topic][partition] = place{now.Add(SettleTime), replicas}
}

// pendingWrites are the writes that brokers may not have heard of yet at one moment.
type pendingWrites struct {
	// topics have at least so many partitions.
	topics map[string]int
	gone   map[TopicID]bool
}

// pending is for a look at all topics: what is written while it is under way is not its business, else it would never end while topics
// are being created.
func (e *Expectations) pending(now time.Time) pendingWrites {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := pendingWrites{make(map[string]int, len(e.topics)), make(map[TopicID]bool, len(e.gone))}
	recent := now.Add(-SettleTime)
	for name, want := range e.topics {
		if want.since.After(recent) {
			p.topics[name] = want.partitions
		}
	}
	for id, want := range e.gone {
		if want.since.After(recent) {
			p.gone[id] = true
		}
	}
	return p
}

// met tells whether an answer about all topics knows of the writes.
func (p pendingWrites) met(topics map[string]TopicCounts) bool {
	for name, partitions := range p.topics {
		if int(topics[name].Partitions) < partitions {
			return false
		}
	}
	if len(p.gone) > 0 {
		for _, t := range topics {
			if p.gone[t.ID] {
				return false
			}
		}
	}
	return true
}

// Met tells whether an answer about the topics asked for knows of the writes expected.
func (e *Expectations) Met(now time.Time, topics map[string]Topic, asked []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.topics) > 0 {
		for _, name := range asked {
			if want, ok := e.topics[name]; ok && now.Before(want.until) && len(topics[name].Partitions) < want.partitions {
				return false
			}
		}
	}
	if len(e.gone) > 0 {
		for _, t := range topics {
			if want, ok := e.gone[t.ID]; ok && now.Before(want.until) {
				return false
			}
		}
	}
	if len(e.moved) > 0 {
		for name, t := range topics {
			for _, p := range t.Partitions {
				if want, ok := e.moved[name][p.ID]; ok && now.Before(want.until) && !p.on(want.replicas) {
					return false
				}
			}
		}
	}
	return true
}

// on tells whether the partition has all those replicas: while it moves there, it has others, too, and then has them in that order.
func (p Partition) on(brokers []int32) bool {
	if len(p.Replicas) == len(brokers) {
		return slices.Equal(p.Replicas, brokers)
	}
	for _, id := range brokers {
		if !slices.Contains(p.Replicas, id) {
			return false
		}
	}
	return true
}

// MetConfig tells the same of a topic's settings.
func (e *Expectations) MetConfig(now time.Time, topic string, entries []ConfigEntry) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	want := e.config[topic]
	if len(want) == 0 {
		return true
	}
	set := TopicValues(entries)
	for key, expected := range want {
		if now.Before(expected.until) && !SameValue(set, key, expected.value) {
			return false
		}
	}
	return true
}

// TopicValues are the settings that somebody gave the topic itself.
func TopicValues(entries []ConfigEntry) map[string]string {
	set := map[string]string{}
	for _, entry := range entries {
		if entry.Source == SourceTopic {
			set[entry.Name] = entry.Value
		}
	}
	return set
}

func SameValue(set map[string]string, key string, want *string) bool {
	got, ok := set[key]
	return ok == (want != nil) && (want == nil || kafkaconfig.SameValue(key, got, *want))
}

func (e *Expectations) sweep(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, want := range e.topics {
		if now.After(want.until) {
			delete(e.topics, name)
		}
	}
	for id, want := range e.gone {
		if now.After(want.until) {
			delete(e.gone, id)
		}
	}
	sweepSettled(e.config, func(v expectedValue) bool { return now.After(v.until) })
	sweepSettled(e.moved, func(v place) bool { return now.After(v.until) })
}

func sweepSettled[K comparable, V any](byTopic map[string]map[K]V, settled func(V) bool) {
	for topic, values := range byTopic {
		maps.DeleteFunc(values, func(_ K, v V) bool { return settled(v) })
		if len(values) == 0 {
			delete(byTopic, topic)
		}
	}
}

func (e *Expectations) Clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.topics)
	clear(e.gone)
	clear(e.config)
	clear(e.moved)
}
