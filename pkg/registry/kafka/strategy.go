// Package kafka serves kafkas: clusters as stored objects, and the live views and
// actions on them.
package kafka

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
)

type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

type statusStrategy struct{ strategy }

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
	_ rest.RESTUpdateStrategy  = statusStrategy{}
	_ rest.ResetFieldsStrategy = statusStrategy{}
)

func newStrategy(typer runtime.ObjectTyper) strategy {
	return strategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator}
}

func (strategy) NamespaceScoped() bool { return true }

// GetResetFields names what a write of the spec does not touch.
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return stored.ResetFields("status")
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	k := obj.(*kafka.Kafka)
	// GitOps tools take an object without conditions for one that is as it should be.
	k.Status = kafka.KafkaStatus{Conditions: []metav1.Condition{{
		Type: v1beta1.ConditionReady, Status: metav1.ConditionUnknown, Reason: v1beta1.ReasonPending,
		Message: "no controller has looked at the cluster yet", LastTransitionTime: k.CreationTimestamp,
	}}}
	k.Generation = 1
}

func (strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	k, before := obj.(*kafka.Kafka), old.(*kafka.Kafka)
	k.Status = before.Status
	if !equality.Semantic.DeepEqual(k.Spec, before.Spec) {
		k.Generation = before.Generation + 1
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateKafka(obj.(*kafka.Kafka))
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateKafkaUpdate(obj.(*kafka.Kafka), old.(*kafka.Kafka))
}

func (strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return validation.KafkaWarnings(obj.(*kafka.Kafka), nil)
}

func (strategy) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return validation.KafkaWarnings(obj.(*kafka.Kafka), old.(*kafka.Kafka))
}

func (strategy) Canonicalize(runtime.Object)                   {}
func (strategy) AllowCreateOnUpdate(context.Context) bool      { return false }
func (strategy) AllowUnconditionalUpdate(context.Context) bool { return true }

// WarningsOnUpdate has nothing to say to the controllers.
func (statusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields names what a write of the status does not touch.
func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return stored.ResetFields("spec", "metadata")
}

func (statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	k, before := obj.(*kafka.Kafka), old.(*kafka.Kafka)
	k.Spec = before.Spec
	metav1.ResetObjectMetaForStatus(&k.ObjectMeta, &before.ObjectMeta)
	validation.CutMessages(k.Status.Conditions)
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateKafkaStatusUpdate(obj.(*kafka.Kafka), old.(*kafka.Kafka))
}

func getAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	k, ok := obj.(*kafka.Kafka)
	if !ok {
		return nil, nil, errors.New("not a Kafka")
	}
	return k.Labels, generic.ObjectMetaFieldsSet(&k.ObjectMeta, true), nil
}

func matcher(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: getAttrs}
}
