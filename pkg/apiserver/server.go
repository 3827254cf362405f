// Package apiserver puts the server together: scheme, storages, health and the
// loops that run beside it. It has no flags.
package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	kafkastorage "kafka.openshift.io/kafka-apiserver/pkg/registry/kafka"
	groupstorage "kafka.openshift.io/kafka-apiserver/pkg/registry/kafkaconsumergroup"
	topicstorage "kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// EtcdPrefix is the prefix of everything that is stored, unless the administrator of an etcd names another.
const EtcdPrefix = "/registry/kafka.openshift.io"

// ExtraConfig is what this server needs beyond the generic one.
type ExtraConfig struct {
	// Etcd is a client of the etcd that the storages use, and EtcdPrefix the prefix of everything in it.
	Etcd       *clientv3.Client
	EtcdPrefix string
	// SharedEtcd says that other servers may use the same etcd.
	SharedEtcd bool
	// ReplicasPerBroker is how many replicas of partitions a Kafka takes for each of its brokers; 0 for any number.
	ReplicasPerBroker int
	// HasQuota tells whether a quota counts the KafkaTopics of a namespace; nil when there are no quotas.
	HasQuota func(namespace string) bool
	// Host is where the identity of the storage is recorded.
	Host    storage.HostRecord
	Gateway *broker.Gateway
	// Secrets are the host's; nil without a host.
	Secrets target.Secrets
	// Addresses are where external Kafkas may be; nil is anywhere.
	Addresses *target.Addresses
	Clock     clock.WithTicker
	// Metrics of the server's loops; nil records nothing.
	Metrics *loopmetrics.Metrics
}

// Config is the whole configuration.
type Config struct {
	Generic *genericapiserver.RecommendedConfig
	Extra   ExtraConfig
}

type completedConfig struct {
	Generic genericapiserver.CompletedConfig
	Extra   *ExtraConfig
	bodies  *bodies
}

// CompletedConfig can only come from Complete.
type CompletedConfig struct {
	*completedConfig
}

// Complete fills in what is derived.
func (c *Config) Complete() CompletedConfig {
	bodies := limitRequests(&c.Generic.Config)
	return CompletedConfig{&completedConfig{Generic: c.Generic.Complete(), Extra: &c.Extra, bodies: bodies}}
}

// Server is a server that is ready to run.
type Server struct {
	Generic *genericapiserver.GenericAPIServer
	// beside is what requests need until the last of them is answered.
	beside []func(context.Context)
}

// Run serves until ctx ends, and then until the last request is answered.
func (s *Server) Run(ctx context.Context) error {
	// Post-start hooks end before the last requests do. These may still ask brokers, and keep other servers from what they change.
	requests, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, run := range s.beside {
		running.Go(func() { run(requests) })
	}
	defer running.Wait()
	defer stop()
	return s.Generic.PrepareRun().RunWithContext(ctx)
}

// New builds the server. Its loops start with it.
func (c CompletedConfig) New() (*Server, error) {
	generic, err := c.Generic.New("kafka-apiserver", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("build the generic server: %w", err)
	}
	guard := storage.NewGuard(c.Extra.Etcd, c.Extra.EtcdPrefix, c.Extra.Host, c.Extra.Clock)
	kafkas, err := kafkastorage.NewStorage(kafkastorage.Config{
		Scheme: Scheme, RESTOptions: c.Generic.RESTOptionsGetter, Guard: guard, Gateway: c.Extra.Gateway,
		Targets: target.New(c.Extra.Secrets, c.Extra.Clock).Restrict(c.Extra.Addresses), Authorizer: c.Generic.Authorization.Authorizer,
		Claims: storage.NewClusterClaims(c.Extra.Etcd, c.Extra.EtcdPrefix), Makers: storage.NewMakers(c.Extra.Etcd, c.Extra.EtcdPrefix), Clock: c.Extra.Clock,
	})
	if err != nil {
		return nil, fmt.Errorf("build the storage of kafkas: %w", err)
	}
	servers := storage.NewServers(c.Extra.Etcd, c.Extra.EtcdPrefix, !c.Extra.SharedEtcd)
	topics, err := topicstorage.NewStorage(topicstorage.Config{
		Scheme: Scheme, RESTOptions: c.Generic.RESTOptionsGetter, Guard: guard, Clusters: kafkas.Clusters,
		Claims: storage.NewClaims(c.Extra.Etcd, c.Extra.EtcdPrefix), Servers: servers, HasQuota: c.Extra.HasQuota,
		ReplicasPerBroker: c.Extra.ReplicasPerBroker, Authorizer: c.Generic.Authorization.Authorizer, Clock: c.Extra.Clock,
		Metrics: c.Extra.Metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("build the storage of kafkatopics: %w", err)
	}
	kafkas.Kafka.Topics = topics.Topic
	groups := groupstorage.NewStorage(kafkas.Clusters, kafkas.Kafka, c.Extra.Clock)
	group := newGroup()
	storages := map[string]rest.Storage{
		"kafkas":                 kafkas.Kafka,
		"kafkas/status":          kafkas.Status,
		"kafkas/scale":           kafkas.Scale,
		"kafkas/brokers":         kafkas.Brokers,
		"kafkas/topics":          kafkas.NewTopics(topics.Topic),
		"kafkatopics":            topics.Topic,
		"kafkatopics/status":     topics.Status,
		"kafkatopics/scale":      topics.Scale,
		"kafkatopics/partitions": topics.Partitions,
		"kafkatopics/configs":    topics.Configs,
		"kafkatopics/elect":      topics.Elect,
		"kafkatopics/truncate":   topics.Truncate,
		"kafkatopics/records":    topics.Records,
		"kafkatopics/log":        topics.Log,

		"kafkaconsumergroups":         groups.Group,
		"kafkaconsumergroups/offsets": groups.Offsets,
	}
	group.VersionedResourcesStorageMap[v1beta1.SchemeGroupVersion.Version] = storages
	if c.bodies.shapes, err = newShapes(Scheme, v1beta1.SchemeGroupVersion, storages); err != nil {
		return nil, err
	}
	if err := generic.InstallAPIGroup(&group); err != nil {
		return nil, fmt.Errorf("install %s: %w", kafka.GroupName, err)
	}
	// Broker health is never part of readiness: without endpoints the whole group would be gone, and with it every
	// namespace deletion in the cluster.
	if err := generic.AddReadyzChecks(healthz.NamedCheck("storage-identity", func(*http.Request) error { return guard.Err() })); err != nil {
		return nil, fmt.Errorf("add the readiness check of the storage identity: %w", err)
	}
	// Until the watch caches have read what is stored, lists and watches are refused with 429.
	if err := generic.AddPostStartHook("storage-readiness", generic.StorageReadinessHook.Hook); err != nil {
		return nil, fmt.Errorf("add the hook storage-readiness: %w", err)
	}
	for name, run := range map[string]func(context.Context){
		"storage-identity-guard": func(ctx context.Context) {
			// A failure shows in readyz, and every read tries again.
			_ = guard.Verify(ctx)
			guard.Run(ctx)
		},
		"cluster-claims": kafkas.Clusters.Identities.Run,
		"topic-sweeper":  topics.Topic.Sweeper.Run,
		"topic-logs":     topics.Log.Run,
	} {
		if err := generic.AddPostStartHook(name, func(hook genericapiserver.PostStartHookContext) error {
			go run(hook)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("add the hook %s: %w", name, err)
		}
	}
	return &Server{Generic: generic, beside: []func(context.Context){c.Extra.Gateway.Run, servers.Run}}, nil
}
