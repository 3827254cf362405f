package kafkaconsumergroup

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

const (
	// recentAge is how old the groups of a cluster may be in a list of all namespaces: consoles ask for that again and again, and each
	// of them would ask all brokers of all clusters.
	recentAge = 5 * time.Second
	// awayPatience is how long a list waits for a cluster that did not answer the last time.
	awayPatience = 300 * time.Millisecond
	// forgetAfter is when what nobody has asked for is forgotten; its Kafka may be gone.
	forgetAfter = time.Minute
)

// errNotAsked is what is told of a cluster of which nothing is known yet.
var errNotAsked = errors.New("the brokers have not answered yet")

// recent is what the brokers of each cluster said last of their groups.
type recent struct {
	clock clock.PassiveClock

	mu sync.Mutex
	of map[string]*lastAnswer
}

// lastAnswer is what the brokers of one cluster said last, and the question under way.
type lastAnswer struct {
	groups broker.GroupList
	err    error
	// at is when that question began.
	at time.Time
	// running is closed when the question under way has ended; nil without one.
	running chan struct{}
}

// get asks a cluster for its groups, if those known are not younger than maxAge. A question goes on when nobody waits for it any more, so that
// it is found out when a cluster is back: a list waits for one that was away the last time for a moment only.
func (r *recent) get(ctx context.Context, cluster string, maxAge time.Duration, ask func(context.Context) (broker.GroupList, error)) (broker.GroupList, error) {
	last, running := r.begin(ctx, cluster, maxAge, ask)
	if running == nil {
		return last.groups, last.err
	}
	// A question ends after clusterPatience by itself.
	var enough <-chan time.Time
	if last.err != nil {
		timer := time.NewTimer(awayPatience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-running:
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.of[cluster]
		if now == nil {
			return broker.GroupList{}, errNotAsked
		}
		return now.groups, now.err
	case <-enough:
	case <-ctx.Done():
	}
	if last.err == nil {
		last.err = errNotAsked
	}
	return broker.GroupList{}, last.err
}

// begin returns what is known of a cluster, and the end of the question to wait for unless that is new enough.
func (r *recent) begin(ctx context.Context, cluster string, maxAge time.Duration, ask func(context.Context) (broker.GroupList, error)) (lastAnswer, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.forget(now)
	last := r.of[cluster]
	if last == nil {
		if r.of == nil {
			r.of = map[string]*lastAnswer{}
		}
		last = &lastAnswer{}
		r.of[cluster] = last
	}
	if last.err == nil && !last.at.IsZero() && now.Sub(last.at) < maxAge {
		return *last, nil
	}
	if last.running == nil {
		last.running = make(chan struct{})
		r.ask(context.WithoutCancel(ctx), last, now, ask)
	}
	return *last, last.running
}

func (r *recent) ask(ctx context.Context, last *lastAnswer, at time.Time, ask func(context.Context) (broker.GroupList, error)) {
	var groups broker.GroupList
	crash.Go(func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, clusterPatience)
		defer cancel()
		groups, err = ask(ctx)
		return err
	}, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(last.running)
		last.groups, last.err, last.at, last.running = groups, err, at, nil
	})
}

func (r *recent) forget(now time.Time) {
	for cluster, last := range r.of {
		if last.running == nil && now.Sub(last.at) > forgetAfter {
			delete(r.of, cluster)
		}
	}
}
