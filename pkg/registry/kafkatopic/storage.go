package kafkatopic

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Claims hold topic names; see storage.Claims.
type Claims interface {
	Get(ctx context.Context, cluster types.NamespacedName, topic string) (*storage.Claim, error)
	Take(ctx context.Context, claim storage.Claim) (*storage.Claim, error)
	Update(ctx context.Context, claim *storage.Claim, change func(*storage.Claim)) (*storage.Claim, error)
	Drop(ctx context.Context, claim *storage.Claim) error
	List(ctx context.Context) ([]*storage.Claim, error)
}

// Config is what the storages of kafkatopics need.
type Config struct {
	Scheme      *runtime.Scheme
	RESTOptions generic.RESTOptionsGetter
	Guard       stored.Guard
	Clusters    *live.Clusters
	Claims      Claims
	Authorizer  authorizer.UnconditionalAuthorizer
	Clock       clock.WithTicker
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
}

// Storage is kafkatopics with its subresources.
type Storage struct {
	Topic      *REST
	Status     *StatusREST
	Scale      *ScaleREST
	Partitions *PartitionsREST
	Configs    *ConfigsREST
	Elect      *ElectREST
	Truncate   *TruncateREST
	Records    *RecordsREST
	Log        *LogREST
	// Hosted is kafkas/topics.
	Hosted  *HostedREST
	Sweeper *Sweeper
}

// NewStorage builds the storages. Nothing is asked of any broker.
func NewStorage(config Config) (*Storage, error) {
	strategy := newStrategy(config.Scheme)
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &kafka.KafkaTopic{} },
		NewListFunc:               func() runtime.Object { return &kafka.KafkaTopicList{} },
		PredicateFunc:             matcher,
		DefaultQualifiedResource:  kafka.Resource("kafkatopics"),
		SingularQualifiedResource: kafka.Resource("kafkatopic"),
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		ResetFieldsStrategy:       strategy,
		TableConvertor:            topics,
	}
	sweeper := newSweeper(config)
	store.AfterDelete = func(obj runtime.Object, _ *metav1.DeleteOptions) {
		if topic, ok := obj.(*kafka.KafkaTopic); ok {
			sweeper.suspect(clusterOf(topic), topic.TopicName(), requestFirst)
		}
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: config.RESTOptions, AttrFunc: getAttrs}); err != nil {
		return nil, err
	}
	guarded := &stored.Store{Store: store, Guard: config.Guard}
	sweeper.topics = guarded
	outcome := *store
	outcome.UpdateStrategy = outcomeStrategy{strategy}
	outcome.ResetFieldsStrategy = nil

	plane := &plane{
		clusters: config.Clusters, claims: config.Claims, access: access{config.Authorizer}, clock: config.Clock,
		topics: guarded, outcomes: &stored.Store{Store: &outcome, Guard: config.Guard}, suspect: sweeper.suspect,
	}
	return &Storage{
		Topic:      &REST{Store: guarded, plane: plane, sweeper: sweeper},
		Status:     &StatusREST{StatusREST: stored.NewStatusREST(guarded, statusStrategy{strategy}), plane: plane},
		Scale:      &ScaleREST{plane: plane},
		Partitions: &PartitionsREST{plane: plane},
		Configs:    &ConfigsREST{plane: plane},
		Elect:      &ElectREST{plane: plane},
		Truncate:   &TruncateREST{plane: plane},
		Hosted:     &HostedREST{plane: plane},
		Records:    &RecordsREST{plane: plane},
		Log:        newLogREST(plane),
		Sweeper:    sweeper,
	}, nil
}

// StatusREST is kafkatopics/status.
type StatusREST struct {
	*stored.StatusREST
	plane *plane
}

var _ rest.Patcher = &StatusREST{}

// Update implements rest.Updater. The id of a former owner's topic, which is about to be deleted, is a conflict: a controller that
// adopted it would see it go.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	validate := func(ctx context.Context, obj, old runtime.Object) error {
		if update != nil {
			if err := update(ctx, obj, old); err != nil {
				return err
			}
		}
		return r.plane.refuseDoomed(ctx, obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic))
	}
	return r.StatusREST.Update(ctx, name, info, create, validate, forceAllowCreate, options)
}
