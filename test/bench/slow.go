package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"kafka.openshift.io/kafka-apiserver/test/bench/fleet"
)

const (
	// held is how long the slow cluster holds a write: longer than the API server waits for one.
	held = 40 * time.Second
	// slowWatches are how many watch the topics.
	slowWatches = 100
	// slowFor is how long each part lasts: the writes that come meanwhile are more than the API server lets in at once if each one is held.
	slowFor = time.Minute
	// writesEvery and othersEvery are how often somebody writes to the slow cluster, and to the other.
	writesEvery, othersEvery = 100 * time.Millisecond, 100 * time.Millisecond
)

// slowCluster compares creates on one cluster beside another that holds each write with the same creates without that. Requests come at a fixed
// rate, whether or not earlier ones have been answered.
func slowCluster(ctx context.Context, b *bed) (r result, err error) {
	g, err := newGrounds(ctx, population{fleet: fleet.Options{Clusters: 2, Partitions: 1, Hold: held}})
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	stop, err := g.watchTopics(ctx)
	if err != nil {
		return result{}, err
	}
	defer stop()
	const slow, other = 0, 1
	lasts := time.Duration(b.scale * float64(slowFor))
	alone := g.createAtRate(ctx, other, "alone", othersEvery, lasts)
	if err := errors.Join(ctx.Err(), alone.failed); err != nil {
		return result{}, err
	}
	b.progress("alone, the p99 of %d creates is %.1f ms", len(alone.times), milliseconds(percentile(alone.times, 99)))
	if err := g.fleet.Clusters[slow].Set(fleet.Slow); err != nil {
		return result{}, err
	}
	var writing sync.WaitGroup
	var onSlow creations
	writing.Go(func() { onSlow = g.createAtRate(ctx, slow, "held", writesEvery, lasts) })
	beside := g.createAtRate(ctx, other, "beside", othersEvery, lasts)
	writing.Wait()
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	// Those that fail beside it have taken their time, too.
	for of, c := range map[string]creations{"slow cluster": onSlow, "other": beside} {
		if c.failed != nil {
			b.progress("not all creates on the %s succeeded: %v", of, c.failed)
		}
	}
	with, without := milliseconds(percentile(beside.times, 99)), milliseconds(percentile(alone.times, 99))
	return against(with, without, "ms", fmt.Sprintf(
		"p99 of creates beside a cluster that holds writes, of which there are %.0f a second; without it", float64(time.Second)/float64(writesEvery)), 2), nil
}

// watchTopics has some watch all topics until stop.
func (g *grounds) watchTopics(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	stop = func() {
		cancel()
		watching.Wait()
	}
	for range slowWatches {
		var changes watch.Interface
		if changes, err = g.server.Client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll).Watch(ctx, metav1.ListOptions{}); err != nil {
			stop()
			return nil, fmt.Errorf("watch topics: %w", err)
		}
		watching.Go(func() {
			defer changes.Stop()
			for {
				select {
				case _, ok := <-changes.ResultChan():
					if !ok {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return stop, nil
}

// creations are what came of creates.
type creations struct {
	// times are those of all, failed the error of the first that failed.
	times  []time.Duration
	failed error
}

// createAtRate creates topics on a cluster at a fixed rate.
func (g *grounds) createAtRate(ctx context.Context, cluster int, prefix string, every, lasts time.Duration) creations {
	var mu sync.Mutex
	var all creations
	var creating sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	for _, name := range numbered(prefix, max(1, int(lasts/every))) {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		creating.Go(func() {
			took, err := timed(func() error { return g.createTopic(ctx, cluster, name, 1) })
			mu.Lock()
			defer mu.Unlock()
			all.times = append(all.times, took)
			if all.failed == nil {
				all.failed = err
			}
		})
	}
	creating.Wait()
	return all
}
