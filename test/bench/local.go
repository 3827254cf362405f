package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/bench/fleet"
	"kafka.openshift.io/kafka-apiserver/test/bench/process"
	"kafka.openshift.io/kafka-apiserver/test/bench/seed"
)

// grounds are processes of the product on this machine and clusters in this process, without Kubernetes.
type grounds struct {
	dir         string
	fleet       *fleet.Fleet
	server      *process.APIServer
	controllers *process.Process
}

// population says what grounds are made of: clusters with so many topics each, all of which are stored when the processes start.
type population struct {
	fleet fleet.Options
	// unsettled topics are stored and not on the brokers yet, which refuse connections.
	unsettled int
}

// templateTopic is the one that the others are copies of, in each cluster.
const templateTopic = "template"

func newGrounds(ctx context.Context, p population) (g *grounds, err error) {
	g = &grounds{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if g.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return g, err
	}
	p.fleet.Brokers, p.fleet.Host = 1, "127.0.0.1"
	if g.fleet, err = fleet.Start(p.fleet); err != nil {
		return g, err
	}
	if p.unsettled > 0 {
		if err := g.fleet.Set(fleet.Refusing); err != nil {
			return g, err
		}
	}
	if g.server, err = process.StartAPIServer(ctx, g.data()); err != nil {
		return g, fmt.Errorf("start the API server: %w", err)
	}
	for i := range g.fleet.Clusters {
		if err := g.createTemplate(ctx, i, p.fleet.Partitions); err != nil {
			return g, err
		}
	}
	if err := g.server.Stop(); err != nil {
		return g, fmt.Errorf("stop the API server: %w", err)
	}
	if err := g.seed(ctx, p); err != nil {
		return g, err
	}
	if g.server, err = process.StartAPIServer(ctx, g.data()); err != nil {
		return g, fmt.Errorf("start the API server: %w", err)
	}
	return g, nil
}

func (g *grounds) data() string { return filepath.Join(g.dir, "data") }

// kafkaOf is the object of a cluster, each in a namespace of its own.
func kafkaOf(cluster int) types.NamespacedName {
	return types.NamespacedName{Namespace: fmt.Sprintf("cluster-%03d", cluster), Name: "fake"}
}

// createTemplate creates the object of a cluster and one topic on it, through the API.
func (g *grounds) createTemplate(ctx context.Context, cluster int, partitions int32) error {
	kafka := kafkaOf(cluster)
	if _, err := g.server.Client.KafkaV1beta1().Kafkas(kafka.Namespace).Create(ctx, &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: kafka.Name},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: g.fleet.Clusters[cluster].Addresses()}}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Kafka %s: %w", kafka, err)
	}
	return g.createTopic(ctx, cluster, templateTopic, partitions)
}

func (g *grounds) createTopic(ctx context.Context, cluster int, name string, partitions int32) error {
	kafka := kafkaOf(cluster)
	topic := &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1beta1.KafkaTopicSpec{
		ClusterRef: v1beta1.ClusterReference{Name: kafka.Name}, Partitions: ptr.To(partitions), Replicas: ptr.To[int32](1)}}
	if _, err := g.server.Client.KafkaV1beta1().KafkaTopics(kafka.Namespace).Create(ctx, topic, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create topic %s of Kafka %s: %w", name, kafka, err)
	}
	return nil
}

// seed stores the topics of all clusters.
func (g *grounds) seed(ctx context.Context, p population) error {
	dir, prefix := process.StorageIn(g.data())
	storage, err := seed.Open(ctx, dir, prefix)
	if err != nil {
		return err
	}
	for i, cluster := range g.fleet.Clusters {
		ids := map[string]string{}
		if p.unsettled == 0 {
			if ids, err = cluster.TopicIDs(ctx); err != nil {
				return errors.Join(err, storage.Close())
			}
		}
		var topics []seed.Topic
		for _, name := range p.fleet.Topics {
			topics = append(topics, seed.Topic{Name: name, ID: ids[name]})
		}
		for _, name := range numbered("unsettled", p.unsettled) {
			topics = append(topics, seed.Topic{Name: name})
		}
		if err := storage.Copy(ctx, types.NamespacedName{Namespace: kafkaOf(i).Namespace, Name: templateTopic}, topics); err != nil {
			return errors.Join(err, storage.Close())
		}
	}
	return storage.Close()
}

// startControllers starts the controllers, which find everything there.
func (g *grounds) startControllers(ctx context.Context) error {
	controllers, err := g.server.StartControllers(ctx)
	if err != nil {
		return fmt.Errorf("start the controllers: %w", err)
	}
	g.controllers = controllers
	return nil
}

// awaitReady waits until all topics of all clusters are Ready.
func (g *grounds) awaitReady(ctx context.Context, limit time.Duration) error {
	ready, all := 0, 0
	// One list of everything costs as much as some writes, so there are few.
	err := wait.PollUntilContextTimeout(ctx, time.Second, limit, true, func(ctx context.Context) (bool, error) {
		list, err := g.server.Client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		ready, all = 0, len(list.Items)
		for i := range list.Items {
			if isReady(&list.Items[i]) {
				ready++
			}
		}
		return ready == all, nil
	})
	if err != nil {
		return fmt.Errorf("wait until %d topics are ready, %d are: %w", all, ready, err)
	}
	return nil
}

// close ends everything.
func (g *grounds) close() error {
	var errs []error
	if g.controllers != nil {
		errs = append(errs, g.controllers.Stop())
	}
	if g.server != nil {
		errs = append(errs, g.server.Stop())
	}
	if g.fleet != nil {
		g.fleet.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(g.dir))...)
}
