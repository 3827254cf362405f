package kafkatopic

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// ScaleREST is kafkatopics/scale: the number of partitions on the brokers. It only grows.
type ScaleREST struct {
	plane *plane
}

var (
	_ rest.Patcher                  = &ScaleREST{}
	_ rest.GroupVersionKindProvider = &ScaleREST{}
	_ rest.Storage                  = &ScaleREST{}
	_ rest.TableConvertor           = &ScaleREST{}
)

// New implements rest.Storage.
func (*ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy implements rest.Storage.
func (*ScaleREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: kubectl learns the type from it.
func (*ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// ConvertToTable implements rest.TableConvertor.
func (*ScaleREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(kafka.Resource("kafkatopics/scale")).ConvertToTable(ctx, object, options)
}

// Get implements rest.Getter.
func (r *ScaleREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	topic, _, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, err
	}
	return toScale(topic, len(have.Partitions)), nil
}

// Update implements rest.Updater. The brokers check the number before it is stored and have it before the answer.
func (r *ScaleREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, false, err
	}
	scale, err := r.updated(ctx, cluster, topic, have, info)
	if err != nil {
		return nil, false, err
	}
	if update != nil {
		if err := update(ctx, scale.DeepCopy(), toScale(topic, len(have.Partitions))); err != nil {
			return nil, false, err
		}
	}
	partitions := scale.Spec.Replicas
	if dryrun.IsDryRun(options.DryRun) {
		if int(partitions) > len(have.Partitions) {
			if err := cluster.CreatePartitions(ctx, have.Name, partitions, nil, true); err != nil {
				return nil, false, growthRefused(err, name)
			}
		}
		return toScale(topic, int(partitions)), false, nil
	}
	stored, err := r.plane.grow(ctx, cluster, topic, have, partitions, nil, func(topic *kafka.KafkaTopic) {
		if managed, err := scaleFields(topic).ToParent(scale.ManagedFields); err == nil {
			topic.ManagedFields = managed
		}
	})
	if err != nil {
		return nil, false, growthRefused(err, name)
	}
	return toScale(stored, int(partitions)), false, nil
}

// scaleFields translates between who manages a topic's partitions and who manages a Scale's replicas.
func scaleFields(topic *kafka.KafkaTopic) *managedfields.ScaleHandler {
	return managedfields.NewScaleHandler(topic.ManagedFields, v1beta1.SchemeGroupVersion, managedfields.ResourcePathMappings{
		v1beta1.SchemeGroupVersion.String(): fieldpath.MakePathOrDie("spec", "partitions"),
	})
}

// updated is the Scale that the caller wants.
func (r *ScaleREST) updated(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, info rest.UpdatedObjectInfo) (*autoscalingv1.Scale, error) {
	old := toScale(topic, len(have.Partitions))
	managed, err := scaleFields(topic).ToSubresource()
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	old.ManagedFields = managed
	// A patch without a resourceVersion means whatever the number is now, however often the object changes meanwhile.
	current := old.ResourceVersion
	old.ResourceVersion = ""
	obj, err := info.UpdatedObject(ctx, old)
	if err != nil {
		return nil, err
	}
	scale, ok := obj.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale of autoscaling/v1, got %T", obj))
	}
	if err := sameObject(topic, &scale.ObjectMeta, info.Preconditions()); err != nil {
		return nil, err
	}
	if scale.ResourceVersion != "" && scale.ResourceVersion != current {
		return nil, stale(topic)
	}
	path := field.NewPath("spec", "replicas")
	var problem *field.Error
	if scale.Spec.Replicas < 1 {
		problem = field.Invalid(path, scale.Spec.Replicas, fmt.Sprintf("topic %s has %d partitions, and partitions only grow", have.Name, len(have.Partitions)))
	} else {
		problem = partitionsProblem(have, &scale.Spec.Replicas, path)
	}
	if problem == nil {
		problem = r.plane.tooMany(ctx, cluster, int32(len(have.Partitions)), scale.Spec.Replicas, int32(have.ReplicationFactor()), path)
	}
	if problem != nil {
		return nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), topic.Name, field.ErrorList{problem})
	}
	return scale, nil
}

// grow makes the brokers have a number of partitions, and then writes it down: what they refuse changes nothing, and what they did is
// never answered with an error. assignments are the replicas of the new partitions; nil leaves them to the brokers. change is done to the
// stored object, too, when its number changes.
func (p *plane) grow(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, partitions int32, assignments [][]int32, change func(*kafka.KafkaTopic)) (*kafka.KafkaTopic, error) {
	stored := topic
	err := p.topics.Exclusively(ctx, (kind{}).Name(topic), func(ctx context.Context) error {
		if int(partitions) > len(have.Partitions) {
			if err := cluster.CreatePartitions(ctx, have.Name, partitions, assignments, false); err != nil {
				return err
			}
			for i := int32(len(have.Partitions)); i < partitions; i++ {
				have.Partitions = append(have.Partitions, broker.Partition{ID: i, Leader: -1})
			}
		}
		done := (kind{p}).outcome(settled(topic, have, false))
		record := done.Record
		done.Record = func(topic *kafka.KafkaTopic) {
			if ptr.Deref(topic.Spec.Partitions, 0) != partitions {
				topic.Spec.Partitions = ptr.To(partitions)
				if change != nil {
					change(topic)
				}
				// The new number makes a new generation (outcomeStrategy), which the brokers already have.
				defer func() { topic.Status.ObservedGeneration = topic.Generation + 1 }()
			}
			record(topic)
		}
		recorded, err := asTopic(p.topics.Record(ctx, topic, done))
		if err == nil {
			stored = recorded
		}
		return err
	})
	return stored, err
}

// toScale shows the number that is wanted, which brokers that were away may not have yet, and the number that is there.
func toScale(topic *kafka.KafkaTopic, partitions int) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace, UID: topic.UID,
			ResourceVersion: topic.ResourceVersion, CreationTimestamp: topic.CreationTimestamp},
		Spec:   autoscalingv1.ScaleSpec{Replicas: max(ptr.Deref(topic.Spec.Partitions, 0), int32(partitions))},
		Status: autoscalingv1.ScaleStatus{Replicas: int32(partitions)},
	}
}

// sameObject refuses a body for another object than the request's.
func sameObject(topic *kafka.KafkaTopic, body *metav1.ObjectMeta, preconditions *metav1.Preconditions) error {
	if body.Name != topic.Name || body.Namespace != "" && body.Namespace != topic.Namespace {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is for %s/%s, the request for %s/%s",
			body.Namespace, body.Name, topic.Namespace, topic.Name))
	}
	uid := body.UID
	if preconditions != nil && preconditions.UID != nil {
		uid = *preconditions.UID
	}
	if uid != "" && uid != topic.UID {
		return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name,
			fmt.Errorf("the request is for uid %s, the object has %s", uid, topic.UID))
	}
	return nil
}

func stale(topic *kafka.KafkaTopic) error {
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name,
		fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
}

func growthRefused(err error, name string) error {
	return live.Refused(err, kafka.Resource("kafkatopics"), name, "spec.replicas")
}
