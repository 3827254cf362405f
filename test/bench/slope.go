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
	// slopeFrom and slopeTo are the sizes that a slope is between.
	slopeFrom, slopeTo = 10000, 30000
	// slopeTopics are those of one cluster, which is large where the controllers keep a snapshot of each.
	slopeTopics = 2500
	// slopePartitions are those of each topic.
	slopePartitions = 10
	kibibyte        = 1024
)

// slope is what live heaps grow by for a topic, in bytes.
type slope struct{ server, controllers float64 }

func memorySlope(ctx context.Context, b *bed) (result, error) {
	s, err := b.measureSlope(ctx)
	return result{Value: s.server / kibibyte, Unit: "KiB", Goal: 7, BaselineName: slopeOf("API server", b)}, err
}

func memorySlopeControllers(ctx context.Context, b *bed) (result, error) {
	s, err := b.measureSlope(ctx)
	return result{Value: s.controllers / kibibyte, Unit: "KiB", Goal: 4, BaselineName: slopeOf("controllers", b)}, err
}

func slopeOf(what string, b *bed) string {
	return fmt.Sprintf("none: live heap of the %s a topic of %d partitions, from %d and %d topics", what, slopePartitions, b.scaled(slopeFrom), b.scaled(slopeTo))
}

// measureSlope compares two sizes, once. Each begins with processes that have just been started: what they hold of former topics is another thing.
func (b *bed) measureSlope(ctx context.Context) (slope, error) {
	if b.slope != nil {
		return *b.slope, nil
	}
	var sizes [2]int
	var heaps [2]slope
	for i, topics := range []int{b.scaled(slopeFrom), b.scaled(slopeTo)} {
		var err error
		if sizes[i], heaps[i], err = b.measureHeaps(ctx, topics); err != nil {
			return slope{}, err
		}
		b.progress("with %d topics the API server's live heap is %.1f MiB, the controllers' %.1f MiB", sizes[i], heaps[i].server/mebibyte, heaps[i].controllers/mebibyte)
	}
	more := float64(sizes[1] - sizes[0])
	b.slope = &slope{server: (heaps[1].server - heaps[0].server) / more, controllers: (heaps[1].controllers - heaps[0].controllers) / more}
	return *b.slope, nil
}

// measureHeaps returns how many topics there are, and the live heaps with them.
func (b *bed) measureHeaps(ctx context.Context, topics int) (stored int, live slope, err error) {
	clusters := max(1, topics/slopeTopics)
	each := topics / clusters
	g, err := newGrounds(ctx, population{fleet: fleet.Options{Clusters: clusters, Topics: numbered("topic", each), Partitions: slopePartitions}})
	if err != nil {
		return 0, slope{}, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.startControllers(ctx); err != nil {
		return 0, slope{}, err
	}
	if err := g.awaitReady(ctx, patience); err != nil {
		return 0, slope{}, err
	}
	if err := g.awaitPatrol(ctx, clusters); err != nil {
		return 0, slope{}, err
	}
	if live.server, err = g.server.LiveHeap(ctx); err != nil {
		return 0, slope{}, fmt.Errorf("measure the API server: %w", err)
	}
	if live.controllers, err = g.controllers.LiveHeap(ctx); err != nil {
		return 0, slope{}, fmt.Errorf("measure the controllers: %w", err)
	}
	// The templates are topics, too.
	return clusters * (each + 1), live, nil
}

// awaitPatrol waits until the controllers have looked at all clusters, and hold what they keep of each.
func (g *grounds) awaitPatrol(ctx context.Context, clusters int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		content, err := g.controllers.Metrics(ctx)
		if err != nil {
			return fmt.Errorf("read the metrics of the controllers: %w", err)
		}
		var looks strings.Builder
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, `controller="topic-patrol"`) {
				looks.WriteString(line)
			}
		}
		if total([]byte(looks.String()), "kafka_apiserver_controller_syncs_total") >= float64(clusters) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until the controllers have looked at %d clusters: %w", clusters, ctx.Err())
		}
	}
}
