package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	thousand = 1000
	// clients is how many create at once.
	clients = 32
	// rounds is how often a thousand topics are created each way.
	rounds = 3
	// batchLabel tells the topics of one round from the others.
	batchLabel = "batch"
)

// topicsParallel compares many clients that create topics with as many that ask the brokers whether each of the same topics could be created,
// and create it, all until the brokers describe all.
func topicsParallel(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	// Brokers answer the requests of one connection one after the other.
	raw := make(chan *kgo.Client, clients)
	for range clients {
		client, err := b.newRaw(ctx)
		if err != nil {
			return result{}, err
		}
		defer client.Close()
		raw <- client
	}
	var ours []time.Duration
	theirs, err := b.inTurns(ctx, "parallel",
		func(ctx context.Context, names []string) error {
			if err := inParallel(ctx, names, func(ctx context.Context, name string) error {
				client := <-raw
				defer func() { raw <- client }()
				return rawPair(ctx, client, name)
			}); err != nil {
				return err
			}
			return b.awaitTopics(ctx, names, len(names))
		},
		func(ctx context.Context, round int) error {
			names := numbered(fmt.Sprintf("parallel-%d", round), thousand)
			took, err := timed(func() error {
				if err := b.createTopics(ctx, names, cluster, namespace); err != nil {
					return err
				}
				return b.awaitTopics(ctx, names, len(names))
			})
			if err != nil {
				return err
			}
			ours = append(ours, took)
			b.progress("%d clients created %d topics in %.2f s", clients, thousand, took.Seconds())
			return b.deleteTopics(ctx, names)
		})
	if err != nil {
		return result{}, err
	}
	return against(median(ours).Seconds(), median(theirs).Seconds(), "s",
		fmt.Sprintf("%d raw clients that do one validateOnly + CreateTopics a topic, until all can be described", clients), 0.5), nil
}

// inTurns times a raw way to make a thousand topics, in turns with something else.
func (b *bed) inTurns(ctx context.Context, prefix string, raw func(context.Context, []string) error, other func(ctx context.Context, round int) error) ([]time.Duration, error) {
	var times []time.Duration
	for round := range rounds {
		names := numbered(fmt.Sprintf("%s-raw-%d", prefix, round), thousand)
		if err := letRest(ctx); err != nil {
			return nil, err
		}
		took, err := timed(func() error { return raw(ctx, names) })
		if err != nil {
			return nil, err
		}
		times = append(times, took)
		b.progress("the raw way made %d topics in %.2f s", thousand, took.Seconds())
		if err := b.rawDelete(ctx, names); err != nil {
			return nil, err
		}
		if err := letRest(ctx); err != nil {
			return nil, err
		}
		if err := other(ctx, round); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// restTime is given to brokers to end the replicas of a thousand topics, which they make and delete after they have answered. Without it the
// next batch took 0.4 to 8 s; with it, 0.35 to 0.7.
const restTime = 6 * time.Second

// letRest leaves brokers the time to end what they are at, which would make what is timed next look slow.
func letRest(ctx context.Context) error {
	select {
	case <-time.After(restTime):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// topicsSerial compares one kubectl that creates topics, one after the other, with what it cannot do without: the brokers' two
// answers for each, and as many objects created by another kubectl.
func topicsSerial(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	names := numbered("serial", thousand)
	for _, name := range numbered("serial-warm", warmUps) {
		if err := rawPair(ctx, b.raw, name); err != nil {
			return result{}, err
		}
	}
	raw, err := timed(func() error {
		for _, name := range numbered("serial-raw", thousand) {
			if err := rawPair(ctx, b.raw, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return result{}, err
	}
	b.progress("%d raw pairs took %.1f s", thousand, raw.Seconds())
	maps, err := b.kubectlCreate(ctx, names, func(name string) string {
		return fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s}, data: {cluster: %s}}", name, cluster)
	})
	if err != nil {
		return result{}, err
	}
	b.progress("kubectl created %d ConfigMaps in %.1f s", thousand, maps.Seconds())
	start := time.Now()
	if _, err := b.kubectlCreate(ctx, names, func(name string) string {
		return fmt.Sprintf("{apiVersion: kafka.openshift.io/v1beta1, kind: KafkaTopic, metadata: {name: %s, labels: {%s: %s}}, spec: {clusterRef: {name: %s}, partitions: 1, replicas: 3}}",
			name, batchLabel, batchOf(names), cluster)
	}); err != nil {
		return result{}, err
	}
	if err := b.awaitReady(ctx, namespace, names); err != nil {
		return result{}, err
	}
	took := time.Since(start)
	b.progress("kubectl created %d topics in %.1f s", thousand, took.Seconds())
	if err := b.rawDelete(ctx, append(numbered("serial-raw", thousand), numbered("serial-warm", warmUps)...)); err != nil {
		return result{}, err
	}
	if err := b.deleteTopics(ctx, names); err != nil {
		return result{}, err
	}
	return against(took.Seconds(), (raw + maps).Seconds(), "s",
		"1,000 raw validateOnly + CreateTopics, one after the other + one kubectl create of 1,000 ConfigMaps", 1.0), nil
}

// kubectlCreate times one kubectl that creates an object for each name.
func (b *bed) kubectlCreate(ctx context.Context, names []string, manifest func(string) string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	var text strings.Builder
	for _, name := range names {
		text.WriteString("---\n" + manifest(name) + "\n")
	}
	file := filepath.Join(dir, "objects.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return 0, err
	}
	return b.kubectl(ctx, "create", "--namespace", namespace, "-f", file)
}

// kubectl times one command.
func (b *bed) kubectl(ctx context.Context, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	took, err := timed(cmd.Run)
	if err != nil {
		return 0, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return took, nil
}

// converge compares the time that topics stored while their brokers were away take to be ready once they are back with one request of
// the same, until the brokers have made what it asked for. The brokers are behind a door that is shut at first: a Kafka of its own knows no other
// address of them.
func converge(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	if err := b.allowBrokers(ctx); err != nil {
		return result{}, err
	}
	var ours []time.Duration
	theirs, err := b.inTurns(ctx, "converge",
		func(ctx context.Context, names []string) error {
			if err := rawCreate(ctx, b.raw, names, false); err != nil {
				return err
			}
			return b.awaitReplicas(ctx, names)
		},
		func(ctx context.Context, round int) error {
			names := numbered(fmt.Sprintf("converge-%d", round), thousand)
			took, err := b.timeConverge(ctx, fmt.Sprintf("away-%d", round), names)
			if err != nil {
				return err
			}
			ours = append(ours, took)
			return nil
		})
	if err != nil {
		return result{}, err
	}
	return against(median(ours).Seconds(), median(theirs).Seconds(), "s", "one raw CreateTopics of the same until all replicas are made and in sync", 3), nil
}

func (b *bed) timeConverge(ctx context.Context, name string, topics []string) (time.Duration, error) {
	addresses, err := b.addresses(ctx)
	if err != nil {
		return 0, err
	}
	// The port is free again when the Kafka looks for it.
	door, err := net.Listen("tcp", net.JoinHostPort(b.outside, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	address := door.Addr().String()
	if err := door.Close(); err != nil {
		return 0, err
	}
	if err := b.createExternal(ctx, namespace, name, address); err != nil {
		return 0, err
	}
	if err := b.createTopics(ctx, topics, name, namespace); err != nil {
		return 0, err
	}
	b.progress("%d topics are stored while the brokers are away", len(topics))
	if door, err = net.Listen("tcp", address); err != nil {
		return 0, fmt.Errorf("open the door to the brokers: %w", err)
	}
	defer door.Close()
	go b.forward(ctx, door, addresses[0])
	took, err := timed(func() error { return b.awaitReady(ctx, namespace, topics) })
	if err != nil {
		return 0, err
	}
	b.progress("%d topics were ready %.2f s after the brokers were back", len(topics), took.Seconds())
	// Whoever deletes them may not have met the brokers yet, and needs the door, too.
	return took, b.deleteTopics(ctx, topics)
}

// forward connects whoever comes with a broker, until the listener is closed.
func (b *bed) forward(ctx context.Context, door net.Listener, address string) {
	for {
		visitor, err := door.Accept()
		if err != nil {
			return
		}
		go func() {
			defer visitor.Close()
			broker, err := b.dial(ctx, "tcp", address)
			if err != nil {
				return
			}
			defer broker.Close()
			pipe(visitor, broker)
		}()
	}
}

// pipe joins two connections until one of them ends.
func pipe(a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			// Whoever waits for more of this way must not wait for ever.
			_ = way[0].SetDeadline(time.Now())
			done <- struct{}{}
		}()
	}
	<-done
}

// createExternal makes a Kafka that somebody else runs.
func (b *bed) createExternal(ctx context.Context, namespace, name, address string) error {
	k := &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{address}}}}
	if _, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Create(ctx, k, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Kafka %s: %w", name, err)
	}
	return nil
}

// createTopics creates topics of a Kafka, many at a time.
func (b *bed) createTopics(ctx context.Context, names []string, kafka, namespace string) error {
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	return inParallel(ctx, names, func(ctx context.Context, name string) error {
		topic := newTopic(name, 1)
		topic.Labels = map[string]string{batchLabel: batchOf(names)}
		topic.Spec.ClusterRef.Name = kafka
		_, err := topics.Create(ctx, topic, metav1.CreateOptions{})
		return err
	})
}

// awaitReady waits until topics are what they should be. It watches: lists of so many would keep the processors busy that it measures.
func (b *bed) awaitReady(ctx context.Context, namespace string, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	selector := batchLabel + "=" + batchOf(names)
	ready := map[string]bool{}
	for ctx.Err() == nil {
		list, err := topics.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return fmt.Errorf("list topics: %w", err)
		}
		for i := range list.Items {
			if isReady(&list.Items[i]) {
				ready[list.Items[i].Name] = true
			}
		}
		if len(ready) == len(names) {
			return nil
		}
		changes, err := topics.Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: list.ResourceVersion})
		if err != nil {
			return fmt.Errorf("watch topics: %w", err)
		}
		for change := range changes.ResultChan() {
			if topic, ok := change.Object.(*v1beta1.KafkaTopic); ok && isReady(topic) {
				ready[topic.Name] = true
			}
			if len(ready) == len(names) {
				changes.Stop()
				return nil
			}
		}
	}
	return fmt.Errorf("wait for %d topics, %d are ready: %w", len(names), len(ready), ctx.Err())
}

func isReady(topic *v1beta1.KafkaTopic) bool {
	return meta.IsStatusConditionTrue(topic.Status.Conditions, v1beta1.ConditionReady)
}

// deleteTopics deletes the topics of a round, and waits until the brokers have forgotten them.
func (b *bed) deleteTopics(ctx context.Context, names []string) error {
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	options := metav1.ListOptions{LabelSelector: batchLabel + "=" + batchOf(names)}
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		// What one request cannot delete within its time, the next one does.
		if err := topics.DeleteCollection(ctx, metav1.DeleteOptions{}, options); err != nil && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) {
			return false, err
		}
		left, err := topics.List(ctx, options)
		return err == nil && len(left.Items) == 0, err
	})
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	return b.awaitTopics(ctx, names, 0)
}

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return names
}

// batchOf is the label of the topics with these names.
func batchOf(names []string) string { return strings.TrimSuffix(names[0], "-00000") }

// inParallel does something for each item, with as many clients as there are, and ends with the first error.
func inParallel[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for item := range queue {
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		queue <- item
	}
	close(queue)
	running.Wait()
	return context.Cause(ctx)
}
