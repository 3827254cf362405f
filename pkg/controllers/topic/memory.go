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

// headStarts know since when specs wait for the request that stored them. The time is this process's own: the object's is another
// machine's clock, and both jump.
type headStarts struct {
	mu    sync.Mutex
	since map[types.NamespacedName]headStart
}

type headStart struct {
	uid        types.UID
	generation int64
	at         time.Time
}

// wait is how long a topic's spec is still left alone; 0 when its status speaks of it.
func (h *headStarts) wait(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if topic.Status.ObservedGeneration >= topic.Generation && len(topic.Status.Conditions) > 0 {
		delete(h.since, key)
		return 0
	}
	began, known := h.since[key]
	if !known || began.uid != topic.UID || began.generation != topic.Generation {
		began = headStart{topic.UID, topic.Generation, now}
		if h.since == nil {
			h.since = map[types.NamespacedName]headStart{}
		}
		h.since[key] = began
	}
	return firstLook - now.Sub(began.at)
}

func (h *headStarts) forget(key types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.since, key)
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
