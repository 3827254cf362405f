package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// quietFor is how long each of two looks at a system with nothing to do lasts.
	quietFor = time.Minute
	// settled is for how long nothing may have been written before it counts as having nothing to do.
	settled = 15 * time.Second
)

// quietness is what a system with ten thousand topics and nothing to do does in a minute.
type quietness struct {
	percentOfCore, rpcs, writes float64
	// hostPercent is what the host's kube-apiserver uses in the same minute, with as many custom resources.
	hostPercent float64
}

func quietCPU(ctx context.Context, b *bed) (result, error) {
	q, err := b.beQuiet(ctx)
	if err != nil {
		return result{}, err
	}
	return against(q.percentOfCore, q.hostPercent, "%", "percent of one core: API server and all controllers, probes included; "+
		"the host's kube-apiserver in the same minutes, with 10,000 custom resources", 0.5), nil
}

func quietRPCs(ctx context.Context, b *bed) (result, error) {
	q, err := b.beQuiet(ctx)
	return result{Value: q.rpcs, Unit: "/min", Goal: 30, BaselineName: "none: requests to brokers a minute, of API server and controllers"}, err
}

func quietWrites(ctx context.Context, b *bed) (result, error) {
	q, err := b.beQuiet(ctx)
	return result{Value: q.writes, Unit: "/min", Goal: 0, BaselineName: "none: revisions of our etcd a minute"}, err
}

// beQuiet looks for two minutes, once.
func (b *bed) beQuiet(ctx context.Context) (quietness, error) {
	if b.quiet != nil {
		return *b.quiet, nil
	}
	if err := b.fill(ctx); err != nil {
		return quietness{}, err
	}
	if err := b.fillHost(ctx); err != nil {
		return quietness{}, err
	}
	if err := b.settle(ctx); err != nil {
		return quietness{}, err
	}
	var q quietness
	for i := range 2 {
		one, err := b.watchFor(ctx, quietFor)
		if err != nil {
			return quietness{}, err
		}
		b.progress("in a quiet minute: %.2f %% of a core, the host's kube-apiserver %.2f %%, %.0f RPCs, %.0f writes",
			one.percentOfCore, one.hostPercent, one.rpcs, one.writes)
		q.percentOfCore += one.percentOfCore / 2
		q.hostPercent += one.hostPercent / 2
		q.rpcs += one.rpcs / 2
		// k8s.io/apiserver compacts etcd every five minutes, and notes in etcd that it did: one of two minutes is free of that.
		if i == 0 || one.writes < q.writes {
			q.writes = one.writes
		}
	}
	b.quiet = &q
	return q, nil
}

// settle waits until nothing is written any more.
func (b *bed) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		one, err := b.watchFor(ctx, settled)
		if err != nil {
			return fmt.Errorf("wait until nothing is written: %w", err)
		}
		if one.writes <= 1 {
			return nil
		}
		b.progress("%.0f writes a minute are still going on", one.writes*float64(time.Minute)/float64(settled))
	}
}

// watchFor tells what happens within some time.
func (b *bed) watchFor(ctx context.Context, d time.Duration) (quietness, error) {
	before, err := b.look(ctx)
	if err != nil {
		return quietness{}, err
	}
	start := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return quietness{}, ctx.Err()
	}
	after, err := b.look(ctx)
	if err != nil {
		return quietness{}, err
	}
	took := time.Since(start).Seconds()
	return quietness{
		percentOfCore: 100 * (after.cpuSeconds - before.cpuSeconds) / took,
		hostPercent:   100 * (after.hostCPUSeconds - before.hostCPUSeconds) / took,
		rpcs:          after.rpcs - before.rpcs,
		writes:        after.revision - before.revision,
	}, nil
}

// look is the state of all processes of the product, and of their etcd.
func (b *bed) look(ctx context.Context) (counters, error) {
	c, err := b.scrape(ctx)
	if err != nil {
		return counters{}, err
	}
	host, err := b.host.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return counters{}, fmt.Errorf("read the metrics of the host: %w", err)
	}
	if c.hostCPUSeconds = total(host, "process_cpu_seconds_total"); c.hostCPUSeconds == 0 {
		return counters{}, errors.New("the metrics of the host tell nothing of its processor time")
	}
	// The resourceVersion of an empty list is the revision of the whole etcd, whoever wrote what.
	list, err := b.kafka.KafkaV1beta1().KafkaTopics(namespace).List(ctx, metav1.ListOptions{LabelSelector: batchLabel + "=none"})
	if err != nil {
		return counters{}, fmt.Errorf("read the revision of etcd: %w", err)
	}
	if c.revision, err = strconv.ParseFloat(list.ResourceVersion, 64); err != nil {
		return counters{}, fmt.Errorf("read the revision of etcd: %w", err)
	}
	return c, nil
}
