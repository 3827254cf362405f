package kafkatopic

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// snapshotAge is how old the metadata in lists may be.
const snapshotAge = 5 * time.Second

// HostedREST is kafkas/topics: every topic on a Kafka's brokers, with the object that manages it.
type HostedREST struct {
	plane *plane
}

var (
	_ rest.Getter         = &HostedREST{}
	_ rest.TableConvertor = &HostedREST{}
	_ rest.Storage        = &HostedREST{}
)

// New implements rest.Storage.
func (*HostedREST) New() runtime.Object { return &kafka.KafkaHostedTopics{} }

// Destroy implements rest.Storage.
func (*HostedREST) Destroy() {}

// ConvertToTable implements rest.TableConvertor.
func (*HostedREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return hosted.ConvertToTable(ctx, object, options)
}

// Get implements rest.Getter.
func (r *HostedREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	k, err := r.plane.clusters.Kafka(ctx, genericapirequest.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	cluster, err := r.plane.clusters.Ask(ctx, k)
	if err != nil {
		return nil, live.Unavailable(err)
	}
	snapshot, err := cluster.Snapshot(ctx, snapshotAge)
	if err != nil {
		return nil, live.Refused(err, kafka.Resource("kafkas"), name, "")
	}
	managers, err := r.plane.managers(ctx, k)
	if err != nil {
		return nil, err
	}
	return hostedView(k, snapshot, managers, r.plane.access.mayGet(ctx)), nil
}

func hostedView(k *kafka.Kafka, snapshot *broker.Snapshot, managers map[string]kafka.TopicReference, visible func(namespace string) bool) *kafka.KafkaHostedTopics {
	view := &kafka.KafkaHostedTopics{
		ObjectMeta:   metav1.ObjectMeta{Name: k.Name, Namespace: k.Namespace, UID: k.UID, CreationTimestamp: k.CreationTimestamp},
		ObservedTime: metav1.NewTime(snapshot.At),
		Topics:       make([]kafka.HostedTopic, 0, len(snapshot.Topics)),
	}
	for name, have := range snapshot.Topics {
		row := kafka.HostedTopic{Name: name, Internal: have.Internal, Partitions: int32(len(have.Partitions)), Replicas: int32(have.ReplicationFactor()),
			UnderReplicated: int32(have.UnderReplicated()), Offline: int32(have.WithoutLeader())}
		if !have.ID.IsZero() {
			row.TopicID = have.ID.String()
		}
		if manager, managed := managers[name]; managed {
			row.Managed = true
			if visible(manager.Namespace) {
				row.ManagedBy = &manager
			}
		}
		view.Topics = append(view.Topics, row)
	}
	slices.SortFunc(view.Topics, func(a, b kafka.HostedTopic) int { return strings.Compare(a.Name, b.Name) })
	return view
}

// managers are the KafkaTopics of a Kafka by the topic's name on the brokers. Claims see to it that there is one for each.
func (p *plane) managers(ctx context.Context, k *kafka.Kafka) (map[string]kafka.TopicReference, error) {
	obj, err := p.topics.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{FieldSelector: fields.SelectorFromSet(fields.Set{
		"spec.clusterRef.name": k.Name, "spec.clusterRef.namespace": k.Namespace})})
	if err != nil {
		return nil, err
	}
	list := obj.(*kafka.KafkaTopicList)
	managers := make(map[string]kafka.TopicReference, len(list.Items))
	for i := range list.Items {
		topic := &list.Items[i]
		managers[topic.TopicName()] = kafka.TopicReference{Namespace: topic.Namespace, Name: topic.Name}
	}
	return managers, nil
}

// Count tells how many KafkaTopics refer to a Kafka.
func (r *HostedREST) Count(ctx context.Context, namespace, name string) (int, error) {
	obj, err := r.plane.topics.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{
		FieldSelector: fields.SelectorFromSet(fields.Set{"spec.clusterRef.name": name, "spec.clusterRef.namespace": namespace})})
	if err != nil {
		return 0, err
	}
	return meta.LenList(obj), nil
}

// mayGet tells in which namespaces the caller may get KafkaTopics, so that who sees a Kafka's topics does not learn the names of other
// tenants' objects. It asks once for all namespaces, and then once for each.
func (a access) mayGet(ctx context.Context) func(namespace string) bool {
	known := map[string]bool{}
	ask := func(namespace string) bool {
		allowed, asked := known[namespace]
		if !asked {
			// What cannot be found out is not told.
			allowed, _, _ = a.may(ctx, "get", "kafkatopics", namespace, "")
			known[namespace] = allowed
		}
		return allowed
	}
	return func(namespace string) bool { return ask(metav1.NamespaceAll) || ask(namespace) }
}
