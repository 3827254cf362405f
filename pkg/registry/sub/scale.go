package sub

import (
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// ReplicasField is the field of a Scale that says how many there are to be.
var ReplicasField = field.NewPath("spec", "replicas")

// ScaleKind is a part of every scale: kubectl and autoscalers learn from it that it is one.
type ScaleKind struct{}

var _ rest.GroupVersionKindProvider = ScaleKind{}

// GroupVersionKind implements rest.GroupVersionKindProvider.
func (ScaleKind) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// ScaleType is the type of every scale. resource is that of its parent.
func ScaleType(resource schema.GroupResource) Type[*autoscalingv1.Scale] {
	resource.Resource += "/scale"
	return Type[*autoscalingv1.Scale]{
		Kind:  autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(),
		Empty: func() *autoscalingv1.Scale { return &autoscalingv1.Scale{} },
		Table: rest.NewDefaultTableConvertor(resource),
	}
}

// Replicas are those of an object with a scale: how many there are to be and are, and which pods they are, "" for none.
type Replicas struct {
	Desired, Current int32
	Selector         string
}

// ScaleOf is the scale of an object.
func ScaleOf(parent metav1.Object, replicas Replicas) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: parent.GetName(), Namespace: parent.GetNamespace(), UID: parent.GetUID(),
			ResourceVersion: parent.GetResourceVersion(), CreationTimestamp: parent.GetCreationTimestamp()},
		Spec:   autoscalingv1.ScaleSpec{Replicas: replicas.Desired},
		Status: autoscalingv1.ScaleStatus{Replicas: replicas.Current, Selector: replicas.Selector},
	}
}

// GiveOwners makes who manages the number of a parent, at path, manage that of its scale: an apply of the scale asks for them.
func GiveOwners(parent metav1.Object, path fieldpath.Path, scale *autoscalingv1.Scale) error {
	managed, err := scaleFields(parent, path).ToSubresource()
	if err != nil {
		return fmt.Errorf("read who manages the replicas of %s: %w", parent.GetName(), err)
	}
	scale.ManagedFields = managed
	return nil
}

// TakeOwners makes who manages the number of a scale manage that of its parent.
func TakeOwners(parent metav1.Object, path fieldpath.Path, scale *autoscalingv1.Scale) error {
	managed, err := scaleFields(parent, path).ToParent(scale.ManagedFields)
	if err != nil {
		return fmt.Errorf("write who manages the replicas of %s: %w", parent.GetName(), err)
	}
	parent.SetManagedFields(managed)
	return nil
}

func scaleFields(parent metav1.Object, path fieldpath.Path) *managedfields.ScaleHandler {
	return managedfields.NewScaleHandler(parent.GetManagedFields(), v1beta1.SchemeGroupVersion, managedfields.ResourcePathMappings{
		v1beta1.SchemeGroupVersion.String(): path,
	})
}
