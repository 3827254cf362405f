package brokered

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Claims hold names; see storage.Claims.
type Claims interface {
	Get(ctx context.Context, of storage.Name) (*storage.Claim, error)
	Take(ctx context.Context, claim storage.Claim, object string) (*storage.Claim, error)
	Update(ctx context.Context, claim *storage.Claim, change func(*storage.Claim)) (*storage.Claim, error)
	Drop(ctx context.Context, claim *storage.Claim) error
	List(ctx context.Context, visit func(*storage.Claim) error) error
}

// Servers are the servers that share the storage; see storage.Servers.
type Servers interface {
	// ID is this server's, when others can know that it is there.
	ID(ctx context.Context) (string, error)
	// Alone tells whether no other server can use the storage.
	Alone() bool
	// Lives tells whether a server can still have requests under way.
	Lives(ctx context.Context, id string) (bool, error)
}

// Config is what a Store is made of.
type Config[T Object, H any] struct {
	Kind    Kind[T, H]
	Backend Backend[H]
	// Objects is the store of the kind, complete. NewStore wraps its storage.
	Objects *genericregistry.Store
	// RecordStrategy is the strategy by which outcomes are written to stored objects.
	RecordStrategy rest.RESTUpdateStrategy
	Guard          stored.Guard
	Claims         Claims
	Servers        Servers
	Clock          clock.WithTicker
	// HasQuota tells whether objects of the kind are counted by a quota of a namespace; nil when there are no quotas. Brokers judge a
	// create before it is counted then: a quota counts what is refused afterwards until it is counted anew, minutes later.
	HasQuota func(namespace string) bool
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
	// SweeperName is the sweeper's in metrics.
	SweeperName string
}

// Store is a stored kind whose writes reach the brokers.
type Store[T Object, H any] struct {
	*stored.Store
	// outcomes is the same store under the strategy of outcomes.
	outcomes *stored.Store
	kind     Kind[T, H]
	backend  Backend[H]
	claims   Claims
	servers  Servers
	clock    clock.WithTicker
	hasQuota func(namespace string) bool
	locks    locks
	// withdrawals are what claims still say and is not so.
	withdrawals withdrawals
	// Sweeper deletes what is left of objects that are gone.
	Sweeper *Sweeper[T, H]
}

// NewStore makes the storage of a kind's objects one that brokers hear of.
func NewStore[T Object, H any](config Config[T, H]) *Store[T, H] {
	s := &Store[T, H]{kind: config.Kind, backend: config.Backend, claims: config.Claims, servers: config.Servers, clock: config.Clock, hasQuota: config.HasQuota}
	s.Sweeper = &Sweeper[T, H]{store: s, guard: config.Guard, metrics: config.Metrics, name: config.SweeperName, wake: make(chan struct{}, 1)}
	objects := config.Objects
	objects.Storage.Storage = &notifying{Interface: objects.Storage.Storage, deleting: s.noteDeletion}
	objects.ShouldDeleteDuringUpdate = noteDeparture
	objects.AfterDelete = func(obj runtime.Object, _ *metav1.DeleteOptions) {
		if o, ok := obj.(T); ok {
			s.Sweeper.Check(s.kind.Name(o), requestFirst)
		}
	}
	outcomes := *objects
	outcomes.UpdateStrategy, outcomes.ResetFieldsStrategy = config.RecordStrategy, nil
	s.Store = &stored.Store{Store: objects, Guard: config.Guard}
	s.outcomes = &stored.Store{Store: &outcomes, Guard: config.Guard}
	return s
}

// Create implements rest.Creater.
func (s *Store[T, H]) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	return s.create(ctx, obj, validate, options, false)
}

func (s *Store[T, H]) create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions, applied bool) (runtime.Object, error) {
	w := &write[T, H]{store: s, dryRun: dryrun.IsDryRun(options.DryRun), applied: applied}
	out, err := s.Store.Create(withCreation(ctx, w), obj, w.validateCreate(validate), options)
	var lost *storedError
	switch {
	case errors.As(err, &lost):
		out = lost.stored
	case err != nil:
		return nil, err
	}
	return w.answerCreate(ctx, out)
}

// Update implements rest.Updater. A server-side apply that creates is a create like any other.
func (s *Store[T, H]) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if !forceAllowCreate {
		out, err := s.update(ctx, name, info, create, update, options)
		return out, false, err
	}
	ctx = context.WithValue(ctx, appliedKey{}, true)
	// A platform's manifests are applied again and again. Looked up in the cache, whether there is an object costs no question to etcd, and
	// what the cache has not heard of is found out.
	for _, version := range []string{"0", ""} {
		obj, err := s.firstApplied(ctx, name, version, info)
		if err != nil {
			return nil, false, err
		}
		if obj == nil {
			out, err := s.update(ctx, name, info, create, update, options)
			if !apierrors.IsNotFound(err) {
				return out, false, err
			}
			continue
		}
		out, err := s.create(ctx, obj, create, &metav1.CreateOptions{DryRun: options.DryRun, FieldManager: options.FieldManager,
			FieldValidation: options.FieldValidation}, true)
		if !apierrors.IsAlreadyExists(err) {
			return out, err == nil, err
		}
	}
	return nil, false, apierrors.NewConflict(s.DefaultQualifiedResource, name, errors.New("the object is deleted and created by others; try again"))
}

type appliedKey struct{}

// Applied tells whether an update is a server-side apply, whose writer gives up what he left out. Other writers of whole objects say
// nothing of it.
func Applied(ctx context.Context) bool {
	applied, _ := ctx.Value(appliedKey{}).(bool)
	return applied
}

// update makes an update that takes the last finalizer again when somebody has changed the object meanwhile, as the generic registry does
// with updates that are stored: whether it is for one version of the object is judged there.
func (s *Store[T, H]) update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, options *metav1.UpdateOptions) (runtime.Object, error) {
	for {
		w := &write[T, H]{store: s, dryRun: dryrun.IsDryRun(options.DryRun)}
		updating, departing := withDeparture(ctx, s.DefaultQualifiedResource)
		out, _, err := s.Store.Update(updating, name, info, create, w.validateUpdate(update), false, options)
		switch {
		case err == nil:
			return w.answerUpdate(ctx, out)
		case !departing.outdated || ctx.Err() != nil:
			return nil, err
		}
	}
}

// firstApplied is the object that a server-side apply creates; nil when there is one already, as of a version of the storage.
func (s *Store[T, H]) firstApplied(ctx context.Context, name, version string, info rest.UpdatedObjectInfo) (runtime.Object, error) {
	_, err := s.Store.Get(ctx, name, &metav1.GetOptions{ResourceVersion: version})
	if err == nil || !apierrors.IsNotFound(err) {
		return nil, err
	}
	if preconditions := info.Preconditions(); preconditions != nil && preconditions.UID != nil {
		return nil, apierrors.NewConflict(s.DefaultQualifiedResource, name, fmt.Errorf("the request is for uid %s, and there is no such object", *preconditions.UID))
	}
	obj, err := info.UpdatedObject(ctx, s.New())
	if err != nil {
		return nil, err
	}
	o, ok := obj.(T)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected an object of %s, got %T", s.DefaultQualifiedResource, obj))
	}
	if o.GetResourceVersion() != "" {
		return nil, apierrors.NewConflict(s.DefaultQualifiedResource, name, fmt.Errorf("the request is for resourceVersion %s, and there is no such object", o.GetResourceVersion()))
	}
	rest.WipeObjectMetaSystemFields(o)
	return o, nil
}

// Delete implements rest.GracefulDeleter. The object goes at once; what it has on the brokers is deleted before the answer when they
// can be asked, and by the sweeper when they are back otherwise.
func (s *Store[T, H]) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	var gone T
	var known bool
	out, deleted, err := s.Store.Delete(ctx, name, func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		gone, known = obj.(T)
		return nil
	}, options)
	if err != nil || !deleted || !known || dryrun.IsDryRun(options.DryRun) {
		return out, deleted, err
	}
	if err := s.Sweeper.finish(ctx, gone); err != nil {
		format := "the object is deleted, its %s is not yet"
		if s.backend.Away(err) || apierrors.IsTimeout(err) {
			format = "the object is deleted; its %s is deleted " + live.DeletedLater(err)
		}
		live.Warn(ctx, fmt.Sprintf(format, s.kind.Name(gone).Kind), err)
	}
	return out, deleted, nil
}

// DeleteCollection implements rest.CollectionDeleter. The sweeper deletes what the objects have on the brokers, many at a time.
func (s *Store[T, H]) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *metainternalversion.ListOptions) (runtime.Object, error) {
	defer s.Sweeper.Hurry()
	return s.Store.DeleteCollection(ctx, validate, options, list)
}

// owner is the owner of a claim if it is still stored.
func (s *Store[T, H]) owner(ctx context.Context, claim *storage.Claim) (owner T, stored bool, err error) {
	var none T
	obj, err := s.Store.Get(inNamespace(ctx, claim.Owner.Namespace), claim.Owner.Name, &metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return none, false, nil
	case err != nil:
		return none, false, err
	}
	o, ok := obj.(T)
	return o, ok && o.GetUID() == claim.Owner.UID, nil
}

// inNamespace addresses the stores: they take the namespace from the context.
func inNamespace(ctx context.Context, namespace string) context.Context {
	return genericapirequest.WithNamespace(ctx, namespace)
}

// ownerOf is what a claim says of its owner.
func ownerOf(obj metav1.Object) storage.Owner {
	return storage.Owner{Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID()}
}

func sameName(a, b storage.Owner) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name
}
