package topic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// firstLook is how long a new spec is left to the API server, which carries it out in the request that stored it. Both at once only
// get in each other's way. A request that finds the brokers away, or fails on them, says so in the status, which ends the wait; one
// that was cut short leaves no status, and is taken over then.
const firstLook = 3 * time.Second

// beginnings know since when something is so of a spec. The time is this process's own: the object's is another machine's clock, and
// both jump.
type beginnings struct {
	mu    sync.Mutex
	since map[types.NamespacedName]beginning
}

type beginning struct {
	uid        types.UID
	generation int64
	at         time.Time
}

// ago is how long it has been so of a topic's spec, which is remembered to be so.
func (b *beginnings) ago(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	began, known := b.since[key]
	if !known || began.uid != topic.UID || began.generation != topic.Generation {
		began = beginning{topic.UID, topic.Generation, now}
		if b.since == nil {
			b.since = map[types.NamespacedName]beginning{}
		}
		b.since[key] = began
	}
	return now.Sub(began.at)
}

// forget says that it is not so any more.
func (b *beginnings) forget(key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.since, key)
}

// headStarts know since when specs wait for the request that stored them.
type headStarts struct{ beginnings }

// wait is how long a topic's spec is still left alone; 0 when its status speaks of it.
func (h *headStarts) wait(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	if topic.Status.ObservedGeneration >= topic.Generation && len(topic.Status.Conditions) > 0 {
		h.forget(key)
		return 0
	}
	return firstLook - h.ago(key, topic, now)
}

const (
	// againSoon and againRefused bound how soon a change that the brokers refused is tried again.
	againSoon    = time.Second
	againRefused = 30 * time.Second
	// scouts is how many topics of a cluster are tried again sooner than after againRefused.
	scouts = 10
)

// refusals know since when brokers refuse specs, and which topics find out whether they still do.
//
// Brokers that return do so one after the other, and the first of them refuse the replicas that the others are to have. Were each of a
// thousand topics to find out by itself when that is over, brokers and API server would be busy with refusals while they start.
type refusals struct {
	beginnings

	mu    sync.Mutex
	lanes map[types.NamespacedName]*refusedLane
}

// refusedLane are the topics of one cluster that are refused; those that scout for the others are true.
type refusedLane struct {
	topics map[types.NamespacedName]bool
	scouts int
}

// again is how soon a refused spec is tried again. A few topics of each cluster are tried after a third of the time for which they have
// been refused: if that was half a minute, the others follow within ten seconds of the end of what made brokers refuse. All the rest, and
// what is refused for good, costs a request every 30 seconds.
func (r *refusals) again(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	soon := max(r.ago(key, topic, now)/3, againSoon)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes == nil {
		r.lanes = map[types.NamespacedName]*refusedLane{}
	}
	lane := r.lanes[clusterKey(topic)]
	if lane == nil {
		lane = &refusedLane{topics: map[types.NamespacedName]bool{}}
		r.lanes[clusterKey(topic)] = lane
	}
	lane.set(key, soon < againRefused && (lane.topics[key] || lane.scouts < scouts))
	if lane.topics[key] {
		return soon
	}
	return againRefused
}

func (l *refusedLane) set(key types.NamespacedName, scout bool) {
	if l.topics[key] {
		l.scouts--
	}
	if l.topics[key] = scout; scout {
		l.scouts++
	}
}

// accepted says that brokers took what they had refused of a topic, if they had, and returns the others of its cluster that they
// refused: they may be taken now, too.
func (r *refusals) accepted(key, cluster types.NamespacedName) []types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	lane := r.lanes[cluster]
	if lane == nil {
		return nil
	}
	if _, refused := lane.topics[key]; !refused {
		return nil
	}
	delete(r.lanes, cluster)
	var others []types.NamespacedName
	for topic := range lane.topics {
		r.beginnings.forget(topic)
		if topic != key {
			others = append(others, topic)
		}
	}
	return others
}

// forget says that nothing is known of a topic any more.
func (r *refusals) forget(key types.NamespacedName) {
	r.beginnings.forget(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	for cluster, lane := range r.lanes {
		if _, refused := lane.topics[key]; !refused {
			continue
		}
		lane.set(key, false)
		if delete(lane.topics, key); len(lane.topics) == 0 {
			delete(r.lanes, cluster)
		}
	}
}

// set is a set of topics.
type set struct {
	mu   sync.Mutex
	keys map[types.NamespacedName]struct{}
}

func (s *set) add(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[types.NamespacedName]struct{}{}
	}
	s.keys[key] = struct{}{}
}

func (s *set) has(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.keys[key]
	return ok
}

func (s *set) remove(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

// madeTopics are the topics that were made and whose ids the API server has not stored yet. They are known to be their objects', and
// go with them.
type madeTopics struct {
	mu   sync.Mutex
	made map[types.NamespacedName]madeTopic
}

type madeTopic struct {
	owner types.UID
	name  string
	id    broker.TopicID
	kafka types.NamespacedName
	at    broker.Target
	// retain says that the topic stays when its object is gone.
	retain bool
}

func (m *madeTopics) put(key types.NamespacedName, made madeTopic) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil {
		m.made = map[types.NamespacedName]madeTopic{}
	}
	m.made[key] = made
}

func (m *madeTopics) get(key types.NamespacedName) (madeTopic, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	made, ok := m.made[key]
	return made, ok
}

func (m *madeTopics) drop(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.made, key)
}
