package topic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// gracePeriod is how long a new spec is left to the API server, which carries it out in the request that stored it. Both at once only
// get in each other's way. A request that finds the brokers away, or fails on them, says so in the status, which ends the wait; one
// that was cut short leaves no status, and is taken over then.
const gracePeriod = 3 * time.Second

// observations know since when something is so of a spec. The time is this process's own: the object's is another machine's clock, and
// both jump.
type observations struct {
	mu    sync.Mutex
	first map[types.NamespacedName]observation
}

type observation struct {
	uid        types.UID
	generation int64
	at         time.Time
}

// age is how long it has been so of a topic's spec, which is remembered to be so.
func (o *observations) age(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	first, known := o.first[key]
	if !known || first.uid != topic.UID || first.generation != topic.Generation {
		first = observation{topic.UID, topic.Generation, now}
		if o.first == nil {
			o.first = map[types.NamespacedName]observation{}
		}
		o.first[key] = first
	}
	return now.Sub(first.at)
}

// forget says that it is not so any more.
func (o *observations) forget(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.first, key)
}

// grace knows since when specs wait for the request that stored them.
type grace struct{ observations }

// left is how long a topic's spec is still left alone; 0 when its status speaks of it.
func (g *grace) left(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	if topic.Status.ObservedGeneration >= topic.Generation && len(topic.Status.Conditions) > 0 {
		g.forget(key)
		return 0
	}
	return gracePeriod - g.age(key, topic, now)
}
