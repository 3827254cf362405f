package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// slowAfter is when a request that asks brokers is slow. A KRaft cluster without a quorum holds each write for as long as it is let.
	slowAfter = 2 * time.Second
	// maxSlow is how many requests may be slow on one cluster at the same time. Each holds a seat of priority and fairness in this server
	// and in kube-apiserver, which all clusters and all tenants share.
	maxSlow = 8
)

// slowRequests count, for each cluster, the requests of this process whose brokers keep them waiting.
type slowRequests struct {
	mu     sync.Mutex
	counts map[string]int
}

// enter counts one more slow request of a cluster, unless there are as many as may be.
func (s *slowRequests) enter(cluster string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[cluster] >= maxSlow {
		return false
	}
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[cluster]++
	return true
}

func (s *slowRequests) leave(cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[cluster]--; s.counts[cluster] == 0 {
		delete(s.counts, cluster)
	}
}

func (s *slowRequests) full(cluster string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[cluster] >= maxSlow
}

// slowError is what requests are told that are too many. It is one of a cluster that cannot be reached: whoever goes on without brokers
// does so, and everybody else answers 503.
func slowError(cluster string) error {
	turnedAway.WithLabelValues(cluster).Inc()
	return &kafkaerr.UnreachableError{Cluster: cluster, Err: fmt.Errorf("%d requests have waited for its brokers for more than %v, and no more are let in until they answer", maxSlow, slowAfter)}
}

// asking is the part of a request that asks brokers; its context has it.
type asking struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	ended bool
	// kept says that it is not to be cut short any more.
	kept  bool
	waits map[string]*waiting
}

// waiting is a request at one cluster.
type waiting struct {
	timer *time.Timer
	// counted is where it is counted as slow; nil while it is not.
	counted *slowRequests
}

type askingKey struct{}

// Within bounds the part of a request that asks brokers. From Clusters.Ask on until it is cancelled, the request is one of those that
// wait for the cluster. Of those that have waited for more than two seconds there are eight at most: those above are cut short, with an
// error that IsAway, and until they are fewer no more are let in.
func Within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeout(ctx, limit)
	ctx, cancel := context.WithCancelCause(ctx)
	a := &asking{cancel: cancel, waits: map[string]*waiting{}}
	return context.WithValue(ctx, askingKey{}, a), func() {
		a.end()
		cancel(nil)
		stop()
	}
}

// Keep says that a request is not to be cut short any more for being slow, because what follows cannot be repeated.
func Keep(ctx context.Context) {
	if a, ok := ctx.Value(askingKey{}).(*asking); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.kept = true
	}
}

// begin has a request wait for a cluster. A context that is not of Within is that of work in the background, which nobody waits for.
func (s *slowRequests) begin(ctx context.Context, cluster string) error {
	a, ok := ctx.Value(askingKey{}).(*asking)
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.waits[cluster] != nil {
		return nil
	}
	if s.full(cluster) {
		return slowError(cluster)
	}
	w := &waiting{}
	a.waits[cluster] = w
	w.timer = time.AfterFunc(slowAfter, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.ended:
		case s.enter(cluster):
			w.counted = s
		case !a.kept:
			a.cancel(slowError(cluster))
		}
	})
	return nil
}

// end says that the request asks no more.
func (a *asking) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for cluster, w := range a.waits {
		w.timer.Stop()
		if w.counted != nil {
			w.counted.leave(cluster)
			w.counted = nil
		}
	}
}
