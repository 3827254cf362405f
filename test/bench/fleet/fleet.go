// Package fleet runs many Kafka clusters, which are kfake's, in one process, each behind doors that can be open, silent, slow or shut.
package fleet

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is how a cluster behaves.
type State int

const (
	// Open answers.
	Open State = iota
	// Silent accepts connections and says nothing.
	Silent
	// Slow answers reads, and holds each write for as long as the fleet's Hold.
	Slow
	// Refusing refuses connections.
	Refusing
)

// Options are those of all clusters of a fleet.
type Options struct {
	Clusters int
	// Brokers is how many each cluster has.
	Brokers int
	// Host is the address to listen on.
	Host string
	// Topics are in each cluster, with so many Partitions.
	Topics     []string
	Partitions int32
	// Hold is how long a slow cluster holds a write.
	Hold time.Duration
}

// Fleet is some clusters.
type Fleet struct{ Clusters []*Cluster }

// Cluster is one of a fleet. It is open at first.
type Cluster struct {
	brokers *kfake.Cluster
	doors   []*door
	hold    time.Duration

	mu    sync.Mutex
	state State
	// left is closed when the state of now is left.
	left chan struct{}
}

// Start starts a fleet.
func Start(options Options) (*Fleet, error) {
	f := &Fleet{}
	for i := range options.Clusters {
		c, err := start(options)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("start cluster %d of %d: %w", i, options.Clusters, err)
		}
		f.Clusters = append(f.Clusters, c)
	}
	return f, nil
}

// Close stops all clusters.
func (f *Fleet) Close() {
	for _, c := range f.Clusters {
		c.mu.Lock()
		close(c.left)
		c.left = make(chan struct{})
		c.state = Open
		c.mu.Unlock()
		c.brokers.Close()
		for _, d := range c.doors {
			d.Close()
		}
	}
}

// Set changes the state of all clusters.
func (f *Fleet) Set(state State) error {
	for _, c := range f.Clusters {
		if err := c.Set(state); err != nil {
			return err
		}
	}
	return nil
}

func start(options Options) (*Cluster, error) {
	c := &Cluster{hold: options.Hold, left: make(chan struct{})}
	var err error
	c.brokers, err = kfake.NewCluster(kfake.NumBrokers(options.Brokers), kfake.SeedTopics(options.Partitions, options.Topics...),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			d, err := newDoor(net.JoinHostPort(options.Host, "0"))
			if err == nil {
				c.doors = append(c.doors, d)
			}
			return d, err
		}))
	if err != nil {
		return nil, err
	}
	for _, write := range []kmsg.Request{kmsg.NewPtrCreateTopicsRequest(), kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewPtrCreatePartitionsRequest(),
		kmsg.NewPtrIncrementalAlterConfigsRequest(), kmsg.NewPtrAlterPartitionAssignmentsRequest()} {
		c.brokers.ControlKey(write.Key(), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.brokers.KeepControl()
			if left := c.slow(); left != nil {
				// Other requests go on meanwhile, also of the same kind over other connections.
				c.brokers.SleepControl(func() {
					held := time.NewTimer(c.hold)
					defer held.Stop()
					select {
					case <-held.C:
					case <-left:
					}
				})
			}
			return nil, nil, false
		})
	}
	return c, nil
}

// slow returns what tells that the cluster is no longer slow, nil when it is not.
func (c *Cluster) slow() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Slow {
		return nil
	}
	return c.left
}

// Set changes how the cluster behaves, to connections that are open already, too.
func (c *Cluster) Set(state State) error {
	c.mu.Lock()
	if c.state != state {
		c.state = state
		close(c.left)
		c.left = make(chan struct{})
	}
	c.mu.Unlock()
	for _, d := range c.doors {
		if err := d.set(state); err != nil {
			return err
		}
	}
	return nil
}

// Addresses are where the brokers are.
func (c *Cluster) Addresses() []string { return c.brokers.ListenAddrs() }

// TopicIDs are the ids of all topics by name, as Kafka writes them. The cluster has to be open.
func (c *Cluster) TopicIDs(ctx context.Context) (map[string]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addresses()...))
	if err != nil {
		return nil, fmt.Errorf("build a client of the cluster: %w", err)
	}
	defer client.Close()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all of them
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("read the topics of the cluster: %w", err)
	}
	ids := map[string]string{}
	for _, topic := range response.Topics {
		if topic.Topic != nil {
			ids[*topic.Topic] = base64.RawURLEncoding.EncodeToString(topic.TopicID[:])
		}
	}
	return ids, nil
}
