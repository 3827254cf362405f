package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
)

// namedTopics is how many topics a refusal names.
const namedTopics = 10

// ScaleREST is kafkas/scale: the desired brokers from the spec, and those that are registered and not fenced now.
type ScaleREST struct {
	kafkas   *stored.Store
	clusters *live.Clusters
}

var (
	_ rest.Patcher                  = &ScaleREST{}
	_ rest.GroupVersionKindProvider = &ScaleREST{}
	_ rest.Storage                  = &ScaleREST{}
)

// New implements rest.Storage.
func (*ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy implements rest.Storage.
func (*ScaleREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: kubectl and the HPA learn the type from it.
func (*ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// Get implements rest.Getter.
func (r *ScaleREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.kafkas.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	k := obj.(*kafka.Kafka)
	registered, err := r.registered(ctx, k)
	if err != nil {
		return nil, err
	}
	return toScale(k, registered), nil
}

// Update implements rest.Updater.
func (r *ScaleREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	obj, err := r.kafkas.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	k := obj.(*kafka.Kafka)
	registered, err := r.registered(ctx, k)
	if err != nil {
		return nil, false, err
	}
	change := &scaleChange{name: name, registered: registered, info: info}
	validate := func(ctx context.Context, obj, old runtime.Object) error {
		if update == nil {
			return nil
		}
		return update(ctx, toScale(obj.(*kafka.Kafka), registered), toScale(old.(*kafka.Kafka), registered))
	}
	obj, _, err = r.kafkas.Update(ctx, name, change, create, validate, false, options)
	if err != nil {
		return nil, false, err
	}
	return toScale(obj.(*kafka.Kafka), registered), false, nil
}

// ConvertToTable implements rest.TableConvertor.
func (r *ScaleREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(kafka.Resource("kafkas/scale")).ConvertToTable(ctx, object, options)
}

// registered counts the brokers that serve now.
func (r *ScaleREST) registered(ctx context.Context, k *kafka.Kafka) (int32, error) {
	if neverFormed(k) {
		return 0, nil
	}
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := r.clusters.Ask(ctx, k)
	if err != nil {
		return 0, live.Unavailable(err)
	}
	info, err := cluster.Describe(ctx)
	if err != nil {
		return 0, live.Refused(r.clusters.For(ctx, k.Namespace, k.Name, err), kafka.Resource("kafkas"), k.Name, "")
	}
	var n int32
	for _, b := range info.Brokers {
		if !b.Fenced {
			n++
		}
	}
	return n, nil
}

func toScale(k *kafka.Kafka, registered int32) *autoscalingv1.Scale {
	desired := replicas(k)
	if k.Spec.External != nil {
		desired = registered
	}
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: k.Name, Namespace: k.Namespace, UID: k.UID,
			ResourceVersion: k.ResourceVersion, CreationTimestamp: k.CreationTimestamp},
		Spec:   autoscalingv1.ScaleSpec{Replicas: desired},
		Status: autoscalingv1.ScaleStatus{Replicas: registered, Selector: k.Status.Selector},
	}
}

// scaleChange is a change of the Scale as a change of the Kafka.
type scaleChange struct {
	name       string
	registered int32
	info       rest.UpdatedObjectInfo
}

var _ rest.UpdatedObjectInfo = &scaleChange{}

func (c *scaleChange) Preconditions() *metav1.Preconditions { return c.info.Preconditions() }

// UpdatedObject implements rest.UpdatedObjectInfo.
func (c *scaleChange) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	k, ok := old.DeepCopyObject().(*kafka.Kafka)
	if !ok || k.UID == "" {
		return nil, apierrors.NewNotFound(kafka.Resource("kafkas"), c.name)
	}
	// The ownership of spec.brokers.replicas moves with the field between the Scale and the Kafka.
	fields := managedfields.NewScaleHandler(k.ManagedFields, v1beta1.SchemeGroupVersion, managedfields.ResourcePathMappings{
		v1beta1.SchemeGroupVersion.String(): fieldpath.MakePathOrDie("spec", "brokers", "replicas"),
	})
	before := toScale(k, c.registered)
	managed, err := fields.ToSubresource()
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	before.ManagedFields = managed
	obj, err := c.info.UpdatedObject(ctx, before)
	if err != nil {
		return nil, err
	}
	after, ok := obj.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale of autoscaling/v1, got %T", obj))
	}
	if err := checkScale(k, after); err != nil {
		return nil, err
	}
	k.Spec.Brokers.Replicas = ptr.To(after.Spec.Replicas)
	k.ResourceVersion = after.ResourceVersion
	if k.ManagedFields, err = fields.ToParent(after.ManagedFields); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return k, nil
}

func checkScale(k *kafka.Kafka, scale *autoscalingv1.Scale) error {
	if scale.Name != k.Name || scale.Namespace != "" && scale.Namespace != k.Namespace {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is for %s/%s, the request for %s/%s",
			scale.Namespace, scale.Name, k.Namespace, k.Name))
	}
	path := field.NewPath("spec", "replicas")
	switch {
	case k.Spec.External != nil:
		return invalidScale(k.Name, field.Forbidden(path, "the brokers of an external cluster are not run here"))
	case scale.Spec.Replicas < 1:
		return invalidScale(k.Name, field.Invalid(path, scale.Spec.Replicas, "a cluster has at least 1 broker"))
	}
	return nil
}

func invalidScale(name string, err *field.Error) error {
	return apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), name, field.ErrorList{err})
}

// neverFormed tells that no broker of a cluster has ever served: none hosts anything, and none needs to be asked.
func neverFormed(k *kafka.Kafka) bool { return !ptr.Deref(k.Status.Formed, true) }

// scaleIn guards replicas that only a broker which would be taken away hosts.
type scaleIn struct {
	clusters *live.Clusters
}

// check refuses fewer brokers while one that would go hosts a replica. It has to ask: brokers that cannot be asked are never taken
// away.
func (s scaleIn) check(ctx context.Context, change stored.Change) error {
	k, _ := change.New.(*kafka.Kafka)
	old, _ := change.Old.(*kafka.Kafka)
	if k == nil || old == nil || k.Spec.Brokers == nil || old.Spec.Brokers == nil {
		return nil
	}
	keep := replicas(k)
	if keep >= replicas(old) || neverFormed(old) {
		return nil
	}
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := s.clusters.Ask(ctx, old)
	if err != nil {
		return live.Unavailable(err)
	}
	snapshot, err := cluster.Snapshot(ctx, 0)
	if err != nil {
		return live.Refused(s.clusters.For(ctx, k.Namespace, k.Name, err), kafka.Resource("kafkas"), k.Name, "spec.brokers.replicas")
	}
	if reason := blocked(snapshot, keep); reason != "" {
		return apierrors.NewInvalid(kafka.Kind("Kafka"), k.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "brokers", "replicas"), keep, reason)})
	}
	return nil
}

// blocked says which replicas keep the brokers from id keep on from being taken away; "" when none does.
func blocked(snapshot *broker.Snapshot, keep int32) string {
	hosted, holders, topics := 0, map[int32]bool{}, map[string]bool{}
	for name, topic := range snapshot.Topics {
		for _, partition := range topic.Partitions {
			for _, id := range partition.Replicas {
				if id >= keep {
					hosted++
					holders[id] = true
					topics[name] = true
				}
			}
		}
	}
	if hosted == 0 {
		return ""
	}
	ids := make([]int32, 0, len(holders))
	for id := range holders {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	more := ""
	if len(names) > namedTopics {
		more = fmt.Sprintf(" and %d more", len(names)-namedTopics)
		names = names[:namedTopics]
	}
	return fmt.Sprintf("brokers %s would go and host %d replicas of topics %s%s: move them away first",
		strings.Trim(fmt.Sprint(ids), "[]"), hosted, strings.Join(names, ", "), more)
}
