package topic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// memory holds what is known of topics by the names of their objects.
type memory[T any] struct {
	mu    sync.Mutex
	known map[types.NamespacedName]T
}

func (m *memory[T]) put(key types.NamespacedName, value T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[types.NamespacedName]T{}
	}
	m.known[key] = value
}

func (m *memory[T]) get(key types.NamespacedName) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, known := m.known[key]
	return value, known
}

// change changes what is known of a topic, if anything is.
func (m *memory[T]) change(key types.NamespacedName, change func(*T)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value, known := m.known[key]; known {
		change(&value)
		m.known[key] = value
	}
}

func (m *memory[T]) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// unrecordedTopic is a topic that was made, or is about to be, and whose id the API server has not stored yet. It is known to be its object's,
// and is an orphan when that is gone.
type unrecordedTopic struct {
	owner types.UID
	name  string
	// id is zero as long as none was made.
	id    broker.TopicID
	kafka types.NamespacedName
	at    broker.Target
	// retain says that the topic stays when its object is gone. It is what the object said last.
	retain bool
}

// maxReverts is how often the same change of settings is reverted, without the settings ever being found as specified in between, until
// brokers, or somebody else, are taken to insist on it.
const maxReverts = 3

const (
	// firstPause is how long it takes from then on until the change is reverted once more, in case that it sticks by now. Each pause is twice
	// as long as the one before, and lastPause at most.
	firstPause = time.Minute
	lastPause  = time.Hour
)

// revert is a change of settings that was reverted.
type revert struct {
	uid        types.UID
	generation int64
	drift      string
	times      int
	// next is when it is reverted again, of a change that is insisted on.
	next time.Time
}

// reverts know what was reverted and has not been found as specified since.
type reverts struct{ memory[revert] }

// add remembers that settings of a topic were reverted, and tells whether that is told already.
func (r *reverts) add(key types.NamespacedName, topic *v1beta1.KafkaTopic, drift string, now time.Time) (told bool) {
	next := revert{uid: topic.UID, generation: topic.Generation, drift: drift, times: 1}
	if was, known := r.get(key); known && was.uid == next.uid && was.generation == next.generation && was.drift == drift {
		next.times = was.times + 1
	}
	if next.times >= maxReverts {
		next.next = now.Add(min(firstPause<<min(next.times-maxReverts, 10), lastPause))
	}
	r.put(key, next)
	return next.times > maxReverts
}

// take remembers a change that the status says is insisted on, as another process has found out.
func (r *reverts) take(key types.NamespacedName, topic *v1beta1.KafkaTopic, drift string, now time.Time) {
	if was, known := r.get(key); !known || was.uid != topic.UID || was.generation != topic.Generation {
		r.put(key, revert{uid: topic.UID, generation: topic.Generation, drift: drift, times: maxReverts, next: now.Add(lastPause)})
	}
}

// insisted is the drift that is not reverted before a pause has ended, of the spec of today; "" for none. due says that the pause has ended.
func (r *reverts) insisted(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) (drift string, due bool) {
	if was, known := r.get(key); known && was.uid == topic.UID && was.generation == topic.Generation && was.times >= maxReverts {
		return was.drift, !now.Before(was.next)
	}
	return "", false
}
