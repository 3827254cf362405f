package kafkatopic

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// REST is kafkatopics. Its writes are those of pkg/registry/brokered.
type REST struct {
	*brokered.Store[*kafka.KafkaTopic, *broker.Cluster]
	plane *plane
}

var (
	_ rest.StandardStorage      = &REST{}
	_ rest.Watcher              = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.SingularNameProvider = &REST{}
)

// ShortNames implements rest.ShortNamesProvider.
func (*REST) ShortNames() []string { return []string{"kfkt"} }

// Categories implements rest.CategoriesProvider.
func (*REST) Categories() []string { return []string{"kafka-all"} }

// Delete implements rest.GracefulDeleter.
func (r *REST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	dryRun := dryrun.IsDryRun(options.DryRun)
	var topic *kafka.KafkaTopic
	out, deleted, err := r.Store.Delete(ctx, name, func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		topic, _ = obj.(*kafka.KafkaTopic)
		return nil
	}, options)
	switch {
	case err != nil || topic == nil:
		return out, deleted, err
	case dryRun:
		return out, deleted, r.foretell(ctx, topic)
	case deleted && staysBecause(topic) != nil:
		// The sweeper tells of what it deletes.
		if err := r.foretell(ctx, topic); err != nil {
			klog.FromContext(ctx).Info("What stays of a deleted object is not told", "topic", klog.KObj(topic), "err", err)
		}
	}
	return out, deleted, nil
}

// foretell warns of what a delete does that its answer does not show: in a dry run, and afterwards of what is not deleted with the object.
func (r *REST) foretell(ctx context.Context, topic *kafka.KafkaTopic) error {
	if topic.Spec.DeletionPolicy == kafka.TopicRetain {
		return nil
	}
	k, err := r.plane.FindKafka(ctx, topic)
	var missing *live.NoKafkaError
	switch {
	case errors.As(err, &missing):
		// Its topics went with it.
		return nil
	case err != nil:
		return err
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := r.plane.Clusters.Ask(asking, k)
	if err == nil {
		err = r.plane.foretellDeletion(asking, cluster, topic)
	}
	var claimed *live.ClaimedError
	switch stays := staysBecause(topic); {
	case live.IsAway(err) && stays != nil:
		live.Warn(ctx, "the topic stays", stays)
		return nil
	case live.IsAway(err):
		live.Warn(ctx, "the topic would be deleted "+live.DeletedLater(err), err)
		return nil
	case errors.As(err, &claimed):
		live.Warn(ctx, "the object would be deleted, and its topic not yet", err)
		return nil
	}
	return statusUnlessAway(err, topic)
}
