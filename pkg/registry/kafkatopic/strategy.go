// Package kafkatopic serves kafkatopics: topics as stored objects whose writes the
// brokers check before and carry out after, and the live views on them.
package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
)

// strategy is for users: they own the spec.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	clock clock.PassiveClock
}

// statusStrategy is for controllers: they own the status.
type statusStrategy struct{ strategy }

// outcomeStrategy is for this server: after the brokers have carried out a write it records their answer in the
// status, and in the parts of the spec that the user left to them.
type outcomeStrategy struct{ strategy }

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
	_ rest.RESTUpdateStrategy  = statusStrategy{}
	_ rest.ResetFieldsStrategy = statusStrategy{}
	_ rest.RESTUpdateStrategy  = outcomeStrategy{}
)

func newStrategy(typer runtime.ObjectTyper, clock clock.PassiveClock) strategy {
	return strategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator, clock: clock}
}

func (strategy) NamespaceScoped() bool { return true }

// GetResetFields names what a write of the spec does not touch.
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return stored.ResetFields("status")
}

func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	topic := obj.(*kafka.KafkaTopic)
	topic.Status = kafka.KafkaTopicStatus{}
	topic.Generation = 1
}

func (s strategy) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	topic, before := obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic)
	topic.Status = before.Status
	s.keepLeftOut(ctx, topic, before)
	keepGrowth(ctx, topic, before)
	bumpGeneration(topic, before)
}

// keepLeftOut has a user who leaves a number to the brokers keep the one they chose. It goes on being whose it was; what the only one who
// applied it gives up is this server's.
func (s strategy) keepLeftOut(ctx context.Context, topic, before *kafka.KafkaTopic) {
	var kept []fieldpath.Path
	keep := func(name string) { kept = append(kept, fieldpath.MakePathOrDie("spec", name)) }
	if topic.Spec.Partitions == nil && before.Spec.Partitions != nil {
		topic.Spec.Partitions = before.Spec.Partitions
		keep("partitions")
	}
	if topic.Spec.Replicas == nil && before.Spec.Replicas != nil {
		topic.Spec.Replicas = before.Spec.Replicas
		keep("replicas")
	}
	if topic.Spec.DeletionPolicy == "" && before.Spec.DeletionPolicy != "" {
		topic.Spec.DeletionPolicy = before.Spec.DeletionPolicy
		keep("deletionPolicy")
	}
	var err error
	if brokered.Applied(ctx) {
		err = stored.OwnFields(topic, s.clock.Now(), kept...)
	} else {
		err = stored.KeepOwners(topic, before, kept...)
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "Owners of fields that were left out not noted", "topic", klog.KObj(topic))
	}
}

// keepGrowth lets a manifest be applied again whose topic has grown by other means since. The number in it is smaller than that of the
// topic, and no smaller than the one that the topic grew from: nobody asks for fewer. A growth that was not carried out yet is taken back by any
// other number than the one before all growth, which is what the manifest went on saying.
func keepGrowth(ctx context.Context, topic, before *kafka.KafkaTopic) {
	want, wish, has, from := ptr.Deref(topic.Spec.Partitions, 0), before.Spec.Partitions, before.Status.Partitions, before.Status.GrownFrom
	if from == 0 || want < from || want >= has {
		return
	}
	if want != from || wish == nil || *wish <= has {
		topic.Spec.Partitions = &has
		text := fmt.Sprintf("spec.partitions: topic %s has grown from %d to %d partitions, and keeps them instead of %d: partitions only grow", topic.TopicName(), from, has, want)
		if wish != nil && *wish > has {
			text += fmt.Sprintf("; the %d that were asked for are taken back", *wish)
		}
		warning.AddWarning(ctx, "", text)
		return
	}
	topic.Spec.Partitions = wish
	warning.AddWarning(ctx, "", fmt.Sprintf("spec.partitions: topic %s has grown from %d to %d partitions and is to have %d, instead of %d: partitions only grow; %[3]d takes the rest back",
		topic.TopicName(), from, has, *wish, want))
}

// grow writes a number of partitions to a spec that somebody else than its writer has made.
func grow(topic *kafka.KafkaTopic, partitions int32) {
	grownFrom(topic, topic.Spec.Partitions)
	topic.Spec.Partitions = &partitions
}

// grownFrom notes the number that a spec had before it first grew by itself.
func grownFrom(topic *kafka.KafkaTopic, partitions *int32) {
	if partitions != nil && topic.Status.GrownFrom == 0 {
		topic.Status.GrownFrom = *partitions
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateKafkaTopic(obj.(*kafka.KafkaTopic))
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateKafkaTopicUpdate(obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic))
}

func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
func (strategy) Canonicalize(runtime.Object)                   {}
func (strategy) AllowCreateOnUpdate(context.Context) bool      { return false }
func (strategy) AllowUnconditionalUpdate(context.Context) bool { return true }

// GetResetFields names what a write of the status does not touch.
func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return stored.ResetFields("spec", "metadata")
}

func (statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	topic, before := obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic)
	topic.Spec = before.Spec
	metav1.ResetObjectMetaForStatus(&topic.ObjectMeta, &before.ObjectMeta)
	validation.CutMessages(topic.Status.Conditions)
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateKafkaTopicStatusUpdate(obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic))
}

func (outcomeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	bumpGeneration(obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic))
}

func (outcomeStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return metaOnly(obj, old)
}

func metaOnly(obj, old runtime.Object) field.ErrorList {
	topic, before := obj.(*kafka.KafkaTopic), old.(*kafka.KafkaTopic)
	return validation.ValidateMetaUpdate(&topic.ObjectMeta, &before.ObjectMeta)
}

func bumpGeneration(topic, before *kafka.KafkaTopic) {
	if !equality.Semantic.DeepEqual(topic.Spec, before.Spec) {
		topic.Generation = before.Generation + 1
	}
}

func getAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	topic, ok := obj.(*kafka.KafkaTopic)
	if !ok {
		return nil, nil, errors.New("not a KafkaTopic")
	}
	set := generic.ObjectMetaFieldsSet(&topic.ObjectMeta, true)
	set["spec.clusterRef.name"] = topic.Spec.ClusterRef.Name
	set["spec.clusterRef.namespace"] = topic.ClusterNamespace()
	return topic.Labels, set, nil
}
