package main

import (
	"context"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	memory = "kafka-bench-memory"
	// partitionsOfMany makes a hundred thousand partitions, more than three small brokers hold, or may by --replicas-per-broker.
	partitionsOfMany, brokersOfMany = 10, 15
	mebibyte                        = 1 << 20
)

// memory10k is what the API server with its etcd, and the controllers, hold of ten thousand topics with ten partitions each. The brokers are
// kfake in this process, reached by the product's pods as any Kafka outside of their cluster.
func memory10k(ctx context.Context, b *bed) (result, error) {
	if err := b.clearAll(ctx); err != nil {
		return result{}, err
	}
	if err := b.ensureNamespace(ctx, memory); err != nil {
		return result{}, err
	}
	brokers, err := kfake.NewCluster(kfake.NumBrokers(brokersOfMany), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return net.Listen(network, net.JoinHostPort(b.outside, port))
	}))
	if err != nil {
		return result{}, fmt.Errorf("start kfake: %w", err)
	}
	defer brokers.Close()
	if err := b.createExternal(ctx, memory, "fake", brokers.ListenAddrs()[0]); err != nil {
		return result{}, err
	}
	before, err := b.scrape(ctx)
	if err != nil {
		return result{}, err
	}
	if err := b.populate(ctx, memory, v1beta1.ClusterReference{Name: "fake"}, partitionsOfMany); err != nil {
		return result{}, err
	}
	if err := b.settle(ctx); err != nil {
		return result{}, err
	}
	after, err := b.scrape(ctx)
	if err != nil {
		return result{}, err
	}
	return result{Value: after.residentBytes / mebibyte, Unit: "MiB", Goal: 400, BaselineName: fmt.Sprintf(
		"none: resident memory of API server with its etcd and of controllers; %.0f MiB before; those that stand by have %.0f MiB more",
		before.residentBytes/mebibyte, after.standbyBytes/mebibyte)}, nil
}
