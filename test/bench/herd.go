package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/bench/fleet"
)

const (
	// herdClusters come back at once, with herdTopics each that were stored while they were away.
	herdClusters = 20
	herdTopics   = 1000
	// herdPatience is how long all of it may take.
	herdPatience = 15 * time.Minute
)

// stampede is what comes of a herd.
type stampede struct {
	peak, settled float64
	refused       float64
}

// herdMemory compares the most memory that the controllers have while many clusters come back at once with what others have that are started when
// all is done.
func herdMemory(ctx context.Context, b *bed) (result, error) {
	s, err := b.herd(ctx)
	if err != nil {
		return result{}, err
	}
	return against(s.peak/mebibyte, s.settled/mebibyte, "MiB", fmt.Sprintf(
		"resident memory of the controllers at its peak, while %d clusters return with %d unsettled topics each; that of others that are started when all are Ready", herdClusters, b.scaled(herdTopics)), 1.5), nil
}

func herdRefused(ctx context.Context, b *bed) (result, error) {
	s, err := b.herd(ctx)
	return result{Value: s.refused, Unit: "", Goal: 0, BaselineName: "none: requests that the API server refused with 429 meanwhile"}, err
}

func (b *bed) herd(ctx context.Context) (s stampede, err error) {
	if b.stampede != nil {
		return *b.stampede, nil
	}
	g, err := newGrounds(ctx, population{fleet: fleet.Options{Clusters: herdClusters, Partitions: 1}, unsettled: b.scaled(herdTopics)})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	// Until its storage is ready a server refuses its own informers.
	before, err := g.refused(ctx)
	if err != nil {
		return s, err
	}
	if err := g.startControllers(ctx); err != nil {
		return s, err
	}
	if err := g.fleet.Set(fleet.Open); err != nil {
		return s, err
	}
	took, err := timed(func() error { return g.awaitReady(ctx, herdPatience) })
	if err != nil {
		return s, err
	}
	b.progress("%d topics of %d clusters were ready %.1f s after the brokers were back", herdClusters*(1+b.scaled(herdTopics)), herdClusters, took.Seconds())
	if _, s.peak, err = g.controllers.Memory(); err != nil {
		return s, err
	}
	refused, err := g.refused(ctx)
	if err != nil {
		return s, err
	}
	s.refused = refused - before
	// A process gives back little of what it once had, so one that has only met what is settled tells what that takes.
	if err := g.controllers.Stop(); err != nil {
		return s, err
	}
	if err := g.startControllers(ctx); err != nil {
		return s, err
	}
	if err := g.awaitPatrol(ctx, herdClusters); err != nil {
		return s, err
	}
	if s.settled, _, err = g.controllers.Memory(); err != nil {
		return s, err
	}
	b.stampede = &s
	return s, nil
}

// refused is how many requests the API server has answered with 429 since it was started.
func (g *grounds) refused(ctx context.Context) (float64, error) {
	content, err := g.server.Metrics(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the metrics of the API server: %w", err)
	}
	refused := 0.0
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, `code="429"`) {
			refused += total([]byte(line), "apiserver_request_total")
		}
	}
	return refused, nil
}
