package kafka

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// REST is kafkas.
type REST struct {
	*stored.Store
	clusters *live.Clusters
	secrets  secrets
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
	Status   *stored.StatusREST
	Scale    *ScaleREST
	Brokers  *BrokersREST
	Clusters *live.Clusters
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
	guarded := &stored.Store{Store: store, Guard: config.Guard}
	all := &live.Clusters{Kafkas: guarded, Gateway: config.Gateway, Targets: config.Targets}
	main := &REST{Store: guarded, clusters: all, secrets: secrets{authorizer: config.Authorizer, kept: config.Targets.HasSecrets()}}
	return &Storage{
		Kafka:    main,
		Status:   stored.NewStatusREST(guarded, statusStrategy{strategy}),
		Scale:    &ScaleREST{kafkas: main, clusters: all},
		Brokers:  &BrokersREST{clusters: all},
		Clusters: all,
	}, nil
}

// ShortNames implements rest.ShortNamesProvider.
func (*REST) ShortNames() []string { return []string{"k"} }

// Categories implements rest.CategoriesProvider. The category of all kinds of this group is not "kafka": kubectl
// expands a category before it looks for a singular, and "kubectl get kafka my-cluster" would ask for topics too.
func (*REST) Categories() []string { return []string{"kafka-all", "all"} }

// Create implements rest.Creater. Who refers to Secrets has to be allowed to read them.
func (r *REST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	return r.Store.Create(ctx, obj, func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		return r.secrets.check(ctx, obj.(*kafka.Kafka), nil)
	}, options)
}

// Update implements rest.Updater. Fewer brokers are refused while one that would go hosts a replica, whichever way the
// spec is changed.
func (r *REST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.Store.Update(ctx, name, info, create, func(ctx context.Context, obj, old runtime.Object) error {
		if update != nil {
			if err := update(ctx, obj, old); err != nil {
				return err
			}
		}
		if err := r.secrets.check(ctx, obj.(*kafka.Kafka), old.(*kafka.Kafka)); err != nil {
			return err
		}
		return r.validateScaleIn(ctx, obj.(*kafka.Kafka), old.(*kafka.Kafka))
	}, forceAllowCreate, options)
}

func replicas(k *kafka.Kafka) int32 {
	if k.Spec.Brokers == nil {
		return 0
	}
	return ptr.Deref(k.Spec.Brokers.Replicas, 0)
}
