package kafkatopic

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/topicplan"
)

// REST is kafkatopics. A write is validated by the brokers, stored, applied to them, and answered, in that order.
type REST struct {
	*stored.Store
	plane   *plane
	sweeper *Sweeper
}

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.Watcher              = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.SingularNameProvider = &REST{}
)

// ShortNames implements rest.ShortNamesProvider.
func (*REST) ShortNames() []string { return []string{"kt"} }

// Categories implements rest.CategoriesProvider.
func (*REST) Categories() []string { return []string{"kafka-all"} }

// Create implements rest.Creater.
func (r *REST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	w := &write{plane: r.plane, dryRun: dryrun.IsDryRun(options.DryRun)}
	out, err := r.Store.Create(ctx, obj, w.validateCreate(validate), options)
	if err != nil {
		w.undo(ctx)
		return nil, err
	}
	return w.finish(ctx, out)
}

// Update implements rest.Updater.
func (r *REST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	// Only a server-side apply may create here.
	w := &write{plane: r.plane, dryRun: dryrun.IsDryRun(options.DryRun), applied: forceAllowCreate}
	out, created, err := r.Store.Update(ctx, name, info, w.validateCreate(create), w.validateUpdate(update), forceAllowCreate, options)
	if err != nil {
		w.undo(ctx)
		return nil, false, err
	}
	out, err = w.finish(ctx, out)
	return out, created, err
}

// Delete implements rest.GracefulDeleter. The object goes at once; its topic is deleted by id before the answer when
// the brokers can be asked, and by the sweeper when they are back otherwise.
func (r *REST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	var topic *kafka.KafkaTopic
	out, deleted, err := r.Store.Delete(ctx, name, func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		topic = obj.(*kafka.KafkaTopic)
		if dryrun.IsDryRun(options.DryRun) {
			return nil
		}
		return r.plane.noteBeforeDelete(ctx, topic)
	}, options)
	if err != nil || topic == nil {
		return out, deleted, err
	}
	if dryrun.IsDryRun(options.DryRun) {
		return out, deleted, r.foretell(ctx, topic)
	}
	if !deleted {
		return out, deleted, nil
	}
	if err := r.sweeper.finish(ctx, topic); err != nil {
		if !live.IsAway(err) && !apierrors.IsTimeout(err) {
			live.Warn(ctx, "the object is deleted, its topic is not yet", err)
		} else {
			live.Warn(ctx, "the object is deleted; its topic is deleted when the brokers are back", err)
		}
	}
	return out, deleted, nil
}

// foretell warns of what a delete would do that its answer does not show, in a dry run.
func (r *REST) foretell(ctx context.Context, topic *kafka.KafkaTopic) error {
	if topic.Spec.DeletionPolicy == kafka.TopicRetain {
		return nil
	}
	k, err := r.plane.findHost(ctx, topic)
	var missing *noKafkaError
	switch {
	case errors.As(err, &missing):
		// Its topics went with it.
		return nil
	case err != nil:
		return err
	}
	cluster, err := r.plane.clusters.Connect(k)
	if err == nil {
		ctx, cancel := live.Deadline(ctx)
		defer cancel()
		var have broker.Topic
		var found bool
		if have, found, err = cluster.Topic(ctx, topic.TopicName()); found && foreign(topic, have) != nil {
			live.Warn(ctx, "another topic stays", errors.New(topicplan.Replaced(topic.Status.TopicID, have)))
		}
	}
	if live.IsAway(err) {
		live.Warn(ctx, "the topic would be deleted when the brokers are back", err)
		return nil
	}
	return statusUnlessAway(err, topic)
}

// DeleteCollection implements rest.CollectionDeleter. The sweeper deletes the topics, many at a time.
func (r *REST) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *metainternalversion.ListOptions) (runtime.Object, error) {
	defer r.sweeper.hurry()
	return r.Store.DeleteCollection(ctx, func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		if dryrun.IsDryRun(options.DryRun) {
			return nil
		}
		return r.plane.noteBeforeDelete(ctx, obj.(*kafka.KafkaTopic))
	}, options, list)
}
