package live

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// readTimeout bounds one read of the storage that others may wait for.
const readTimeout = 10 * time.Second

// reads lets those who want the same Kafka at the same time share a read. The one that they get began after they came, so it is as
// fresh as their own would be: hundreds of creates on one Kafka would else read and decode it hundreds of times.
type reads struct {
	mu      sync.Mutex
	running map[types.NamespacedName]*read
}

// read is one read of the storage, and the one to begin after it if somebody waits for that.
type read struct {
	done  chan struct{}
	kafka *kafka.Kafka
	err   error
	next  *read
}

// get returns what the next read to begin finds. Nobody may change it: it is others' too.
func (r *reads) get(ctx context.Context, of types.NamespacedName, get func(context.Context) (*kafka.Kafka, error)) (*kafka.Kafka, error) {
	joined := r.join(ctx, of, get)
	select {
	case <-joined.done:
		return joined.kafka, joined.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *reads) join(ctx context.Context, of types.NamespacedName, get func(context.Context) (*kafka.Kafka, error)) *read {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.running[of]
	if current == nil {
		current = &read{done: make(chan struct{})}
		if r.running == nil {
			r.running = map[types.NamespacedName]*read{}
		}
		// It is nobody's own, so nobody who leaves ends it.
		r.begin(context.WithoutCancel(ctx), of, current, get)
		return current
	}
	if current.next == nil {
		current.next = &read{done: make(chan struct{})}
	}
	return current.next
}

// begin reads, and once more after that if somebody waits for another read.
func (r *reads) begin(ctx context.Context, of types.NamespacedName, current *read, get func(context.Context) (*kafka.Kafka, error)) {
	r.running[of] = current
	crash.Go(func() (err error) {
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		current.kafka, err = get(reading)
		return err
	}, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		current.err = err
		close(current.done)
		if current.next == nil {
			delete(r.running, of)
			return
		}
		r.begin(ctx, of, current.next, get)
	})
}
