package kafkatopic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// lateFor is how long a cluster that was late for a list is not waited for again: a long list has many pages, and each would wait.
const lateFor = time.Second

// lateClusters are those that lists have waited for in vain, and why.
type lateClusters struct {
	mu sync.Mutex
	of map[types.NamespacedName]late
}

type late struct {
	since time.Time
	err   error
}

// note takes down what came of waiting for a cluster.
func (l *lateClusters) note(cluster types.NamespacedName, err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.of, cluster)
		return
	}
	if l.of == nil {
		l.of = map[types.NamespacedName]late{}
	}
	for other, was := range l.of {
		if now.Sub(was.since) >= lateFor {
			delete(l.of, other)
		}
	}
	l.of[cluster] = late{now, err}
}

// why is what came of waiting for a cluster a moment ago; nil when it is to be waited for.
func (l *lateClusters) why(cluster types.NamespacedName, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was, known := l.of[cluster]; known && now.Sub(was.since) < lateFor {
		return was.err
	}
	return nil
}
