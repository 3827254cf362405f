package kafkatopic

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/clock"

	kafkaaccess "kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/actions"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/records"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/views"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// sweeperName is the sweeper's in metrics.
const sweeperName = "topic-sweeper"

// Config is what the storages of kafkatopics need.
type Config struct {
	Scheme      *runtime.Scheme
	RESTOptions generic.RESTOptionsGetter
	Guard       stored.Guard
	Clusters    *live.Clusters
	Claims      brokered.Claims
	Servers     brokered.Servers
	// ReplicasPerBroker is how many replicas of partitions a cluster takes for each broker; 0 for any number.
	ReplicasPerBroker int
	// HasQuota tells whether a namespace has a quota that counts KafkaTopics; nil when there are none.
	HasQuota   func(namespace string) bool
	Authorizer authorizer.UnconditionalAuthorizer
	Clock      clock.WithTicker
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
}

// Storage is kafkatopics with its subresources.
type Storage struct {
	Topic      *REST
	Status     *StatusREST
	Scale      *Scale
	Partitions *Partitions
	Configs    *views.Configs
	Elect      *actions.Elect
	Truncate   *actions.Truncate
	Records    *records.Records
	Log        *records.Log
}

// NewStorage builds the storages. Nothing is asked of any broker.
func NewStorage(config Config) (*Storage, error) {
	strategy := newStrategy(config.Scheme, config.Clock)
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
		TableConvertor:            topicTable,
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{
		RESTOptions: config.RESTOptions, AttrFunc: getAttrs, Indexers: indexers(), TriggerFunc: triggers(),
	}); err != nil {
		return nil, err
	}
	find := &resolver.Resolver{Clusters: config.Clusters}
	plane := &plane{Resolver: find, access: access{kafkaaccess.New(config.Authorizer)}, clock: config.Clock, capacity: topics.NewCapacity(config.ReplicasPerBroker, config.Clock, nil)}
	plane.topics = brokered.NewStore(brokered.Config[*kafka.KafkaTopic, *broker.Cluster]{
		Kind: kind{plane}, Backend: live.Brokers{Clusters: config.Clusters}, Objects: store, RecordStrategy: outcomeStrategy{strategy}, Guard: config.Guard, Claims: config.Claims,
		Servers: config.Servers, Clock: config.Clock, HasQuota: config.HasQuota, Metrics: config.Metrics, SweeperName: sweeperName,
	})
	find.Objects, find.MayHave = plane.topics, plane.mayHave
	return &Storage{
		Topic:      &REST{Store: plane.topics, plane: plane},
		Status:     &StatusREST{StatusREST: stored.NewStatusREST(plane.topics.Store, statusStrategy{strategy}), plane: plane},
		Scale:      newScale(plane),
		Partitions: newPartitions(plane),
		Configs:    views.NewConfigs(find),
		Elect:      actions.NewElect(find),
		Truncate:   actions.NewTruncate(find, config.Clock),
		Records:    records.NewRecords(find, config.Clock),
		Log:        records.NewLog(find, config.Clock),
	}, nil
}

// StatusREST is kafkatopics/status.
type StatusREST struct {
	*stored.StatusREST
	plane *plane
}

var _ rest.Patcher = &StatusREST{}

// Update implements rest.Updater. A status may not name the topic of somebody else: what it names is deleted with the object.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	dryRun := dryrun.IsDryRun(options.DryRun)
	var learn func(context.Context)
	validate := func(ctx context.Context, obj, old runtime.Object) (err error) {
		learn = nil
		if update != nil {
			if err := update(ctx, obj, old); err != nil {
				return err
			}
		}
		topic, before := obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic)
		if err := r.plane.checkAsked(ctx, topic, before, dryRun); err != nil {
			return err
		}
		learn, err = r.plane.checkReportedID(ctx, topic, before, dryRun)
		return err
	}
	out, created, err := r.StatusREST.Update(ctx, name, info, create, validate, forceAllowCreate, options)
	switch {
	case err == nil && learn != nil:
		learn(ctx)
	case (apierrors.IsNotFound(err) || apierrors.IsConflict(err)) && !dryRun:
		r.plane.lostMeanwhile(ctx, info)
	}
	return out, created, err
}
