package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// namedTopics is how many topics a refusal names.
const namedTopics = 10

// Scale is kafkas/scale: the desired brokers from the spec, and those that are registered and not fenced now.
type Scale struct {
	*sub.Transition[scaled, *kafka.Kafka, *autoscalingv1.Scale]
	sub.ScaleKind
}

// scaled is a Kafka with the number of its brokers that serve now.
type scaled struct {
	kafka      *kafka.Kafka
	registered int32
}

// scaledField is the field of a Kafka that its scale is of.
var scaledField = fieldpath.MakePathOrDie("spec", "brokers", "replicas")

func newScale(kafkas *stored.Store, f finder) *Scale {
	return &Scale{Transition: &sub.Transition[scaled, *kafka.Kafka, *autoscalingv1.Scale]{
		View: sub.View[scaled, *autoscalingv1.Scale]{
			Type: sub.ScaleType(kafka.Resource("kafkas")),
			Find: func(ctx context.Context, name string) (scaled, error) {
				obj, err := kafkas.Get(ctx, name, &metav1.GetOptions{})
				if err != nil {
					return scaled{}, err
				}
				k := obj.(*kafka.Kafka)
				if k.Spec.External != nil {
					return scaled{}, apierrors.NewInvalid(kafka.Kind("Kafka"), name, field.ErrorList{
						field.Forbidden(field.NewPath("spec", "external"), "the brokers of an external cluster are not run here, and have no scale")})
				}
				registered, err := f.registered(ctx, k)
				return scaled{k, registered}, err
			},
			Show: func(_ context.Context, s scaled) (*autoscalingv1.Scale, error) { return scaleOf(s, s.kafka), nil },
		},
		Resource:   kafka.Resource("kafkas"),
		Parents:    kafkas,
		Of:         scaleOf,
		GiveOwners: func(k *kafka.Kafka, scale *autoscalingv1.Scale) error { return sub.GiveOwners(k, scaledField, scale) },
		Validate:   validateScale,
		Change: func(k *kafka.Kafka, scale *autoscalingv1.Scale) error {
			k.Spec.Brokers.Replicas = ptr.To(scale.Spec.Replicas)
			return sub.TakeOwners(k, scaledField, scale)
		},
	}}
}

// registered counts the brokers that serve now.
func (f finder) registered(ctx context.Context, k *kafka.Kafka) (int32, error) {
	if neverFormed(k) {
		return 0, nil
	}
	t, err := f.reach(ctx, k)
	if err != nil {
		return 0, err
	}
	info, err := t.cluster.Describe(ctx)
	if err != nil {
		return 0, f.refused(ctx, t, err)
	}
	var n int32
	for _, b := range info.Brokers {
		if !b.Fenced {
			n++
		}
	}
	return n, nil
}

func scaleOf(s scaled, k *kafka.Kafka) *autoscalingv1.Scale {
	return sub.ScaleOf(k, sub.Replicas{Desired: replicas(k), Current: s.registered, Selector: k.Status.Selector})
}

func validateScale(_ *kafka.Kafka, scale *autoscalingv1.Scale) field.ErrorList {
	if scale.Spec.Replicas < 1 {
		return field.ErrorList{field.Invalid(sub.ReplicasField, scale.Spec.Replicas, "a cluster has at least 1 broker")}
	}
	return nil
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
	snapshots, err := cluster.Opinions(ctx)
	if err != nil {
		return live.Refused(s.clusters.For(ctx, k.Namespace, k.Name, err), kafka.Resource("kafkas"), k.Name, "spec.brokers.replicas")
	}
	for _, snapshot := range snapshots {
		if unread := snapshot.Unread(); len(unread) > 0 {
			return live.Unavailable(fmt.Errorf("which brokers host topic %s is not known: its metadata is incomplete", unread[0]))
		}
		if reason := blocked(snapshot, keep); reason != "" {
			return apierrors.NewInvalid(kafka.Kind("Kafka"), k.Name, field.ErrorList{
				field.Invalid(field.NewPath("spec", "brokers", "replicas"), keep, reason)})
		}
	}
	return nil
}

// blocked says which replicas keep the brokers from id keep on from being taken away; "" when none does.
func blocked(snapshot *broker.Snapshot, keep int32) string {
	hosted, ids := 0, []int32{}
	for id, hosts := range snapshot.Hosts {
		if id >= keep && hosts.Replicas > 0 {
			hosted += hosts.Replicas
			ids = append(ids, id)
		}
	}
	if hosted == 0 {
		return ""
	}
	slices.Sort(ids)
	names := []string{}
	for name, topic := range snapshot.Topics {
		if topic.LastBroker >= keep {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	more := ""
	if len(names) > namedTopics {
		more = fmt.Sprintf(" and %d more", len(names)-namedTopics)
		names = names[:namedTopics]
	}
	return fmt.Sprintf(plural.Word(len(ids), "broker %s would go and hosts %s of %s %s%s: move %s away first", "brokers %s would go and host %s of %s %s%s: move %s away first"),
		strings.Trim(fmt.Sprint(ids), "[]"), plural.Of(hosted, "replica", "replicas"), plural.Word(len(names), "topic", "topics"), strings.Join(names, ", "), more,
		plural.Word(hosted, "it", "them"))
}
