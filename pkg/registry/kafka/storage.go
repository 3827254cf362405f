package kafka

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// REST is kafkas.
type REST struct {
	*stored.Store
	// Topics may be nil: then nobody is told of topics that stay.
	Topics ManagedTopics
}

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.Watcher              = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.SingularNameProvider = &REST{}
)

// Storage is kafkas with its subresources.
type Storage struct {
	Kafka    *REST
	Status   *StatusREST
	Scale    *Scale
	Brokers  *Brokers
	Clusters *live.Clusters

	finder finder
}

// Config is what the storages work with.
type Config struct {
	Scheme      *runtime.Scheme
	RESTOptions generic.RESTOptionsGetter
	Guard       stored.Guard
	Gateway     *broker.Gateway
	Targets     *target.Resolver
	// Authorizer is asked whether a caller may read the Secrets that a Kafka refers to.
	Authorizer authorizer.UnconditionalAuthorizer
	// Claims say which Kafka is which cluster, and Makers who made a Kafka; without claims none is kept from being that of another.
	Claims live.Claims
	Makers live.Makers
	Clock  clock.WithTicker
}

// NewStorage builds the storages. Nothing is asked of any broker.
func NewStorage(config Config) (*Storage, error) {
	strategy := newStrategy(config.Scheme)
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &kafka.Kafka{} },
		NewListFunc:               func() runtime.Object { return &kafka.KafkaList{} },
		PredicateFunc:             matcher,
		DefaultQualifiedResource:  kafka.Resource("kafkas"),
		SingularQualifiedResource: kafka.Resource("kafka"),
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		ResetFieldsStrategy:       strategy,
		TableConvertor:            clusters,
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: config.RESTOptions, AttrFunc: getAttrs}); err != nil {
		return nil, err
	}
	kafkas := &stored.Store{Store: store, Guard: config.Guard}
	all := &live.Clusters{Kafkas: kafkas, Gateway: config.Gateway, Targets: config.Targets, Access: access.New(config.Authorizer)}
	if addresses := config.Targets.Addresses(); addresses != nil {
		addresses.KnowKafkas(all.External)
	}
	kafkas.Checks = []stored.Check{
		secrets{access: access.New(config.Authorizer), kept: config.Targets.HasSecrets()}.check,
		addresses{allowed: config.Targets.Addresses(), clusters: all}.check,
		scaleIn{clusters: all}.check,
	}
	status := &StatusREST{StatusREST: stored.NewStatusREST(kafkas, statusStrategy{strategy}), clusters: all}
	if config.Claims != nil {
		all.Identities = &live.Identities{Claims: config.Claims, Makers: config.Makers, Kafkas: kafkas, Access: all.Access, Clock: config.Clock,
			Restate: status.restate}
		// Who makes a Kafka that is refused is not its maker.
		kafkas.Checks = append(kafkas.Checks, makers{all.Identities}.record)
	}
	find := finder{clusters: all}
	return &Storage{
		Kafka:    &REST{Store: kafkas},
		Status:   status,
		Scale:    newScale(kafkas, find),
		Brokers:  newBrokers(find),
		Clusters: all,
		finder:   find,
	}, nil
}

// ShortNames implements rest.ShortNamesProvider.
func (*REST) ShortNames() []string { return []string{"kfk"} }

// Categories implements rest.CategoriesProvider. The category of all kinds of this group is not "kafka": kubectl
// expands a category before it looks for a singular, and "kubectl get kafka my-cluster" would ask for topics too.
func (*REST) Categories() []string { return []string{"kafka-all", "all"} }

func replicas(k *kafka.Kafka) int32 {
	if k.Spec.Brokers == nil {
		return 0
	}
	return ptr.Deref(k.Spec.Brokers.Replicas, 0)
}
