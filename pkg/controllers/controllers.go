// Package controllers is the list of what acts on stored objects, for every command that runs controllers.
package controllers

import (
	"context"
	"errors"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/external"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/informers/externalversions"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Config is what controllers work with.
type Config struct {
	// Kafka is our API, Host the Kubernetes to run Kafkas on; without Host they are only observed.
	Kafka versioned.Interface
	Host  kubernetes.Interface
	// Gateway reaches brokers. Targets finds those of Kafkas; when nil, those that refer to Secrets cannot be reached.
	Gateway *broker.Gateway
	Targets *target.Resolver
	// Recorder may be nil: then nobody is told of what happens.
	Recorder events.EventRecorder
	// ReplicasPerBroker is how many replicas of partitions a Kafka takes for each of its brokers; 0 for any number.
	ReplicasPerBroker int
	// Images, RunAsUser and StorageIdentity are the Kafka controller's, TopicWorkers is the topic controller's; see there.
	Images          map[string]string
	RunAsUser       *int64
	StorageIdentity types.NamespacedName
	TopicWorkers    int
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
}

// Set are the controllers of a process. They share informers, and one budget.
type Set struct {
	run []func(context.Context)
}

// New builds the controllers. It starts nothing.
func New(cfg Config) (*Set, error) {
	informers := externalversions.NewSharedInformerFactoryWithOptions(cfg.Kafka, 0, externalversions.WithTransform(withoutManagedFields))
	budget := loop.NewBudget(loop.DefaultSyncs, loop.DefaultAsides)
	s := &Set{}
	if cfg.Host != nil {
		kafkas, err := kafka.New(kafka.Config{
			Host: cfg.Host, Kafka: cfg.Kafka, Informers: informers,
			Connect:    func(t broker.Target) kafka.Cluster { return cfg.Gateway.Cluster(t) },
			Disconnect: cfg.Gateway.Forget,
			Recorder:   cfg.Recorder, Images: cfg.Images, RunAsUser: cfg.RunAsUser, StorageIdentity: cfg.StorageIdentity,
			Budget: budget, Metrics: cfg.Metrics,
		})
		if err != nil {
			return nil, err
		}
		s.run = append(s.run, kafkas.Run)
	}
	externals, externalErr := external.New(external.Config{
		Kafka: cfg.Kafka, Informers: informers, Targets: cfg.Targets,
		Connect:    func(t broker.Target) external.Cluster { return cfg.Gateway.Cluster(t) },
		Disconnect: cfg.Gateway.Forget,
		Budget:     budget, Metrics: cfg.Metrics,
	})
	topics, topicErr := topic.New(topic.Config{
		Kafka: cfg.Kafka, Informers: informers, Targets: cfg.Targets,
		Connect:    func(t broker.Target) topic.Cluster { return cfg.Gateway.Cluster(t) },
		Disconnect: cfg.Gateway.Forget,
		Recorder:   cfg.Recorder, Workers: cfg.TopicWorkers, ReplicasPerBroker: cfg.ReplicasPerBroker,
		Budget: budget, Metrics: cfg.Metrics,
	})
	if err := errors.Join(externalErr, topicErr); err != nil {
		return nil, err
	}
	s.run = append(s.run, externals.Run, topics.Run)
	return s, nil
}

// Run works until ctx ends.
func (s *Set) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, run := range s.run {
		running.Go(func() { run(ctx) })
	}
	running.Wait()
}

// withoutManagedFields keeps caches small: managed fields are half of each object and no controller reads them.
func withoutManagedFields(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
