package kafkaconsumergroup

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// REST is kafkaconsumergroups. It has the verbs get and list, and no others: with delete the namespace controller would wait for
// brokers whose pods it has just deleted, and with delete and watch the garbage collector and the quota controller would watch them.
type REST struct {
	clusters *live.Clusters
	kafkas   KafkaLister
	recent   recent
}

var (
	_ rest.Storage              = &REST{}
	_ rest.Scoper               = &REST{}
	_ rest.Getter               = &REST{}
	_ rest.Lister               = &REST{}
	_ rest.ShortNamesProvider   = &REST{}
	_ rest.CategoriesProvider   = &REST{}
	_ rest.SingularNameProvider = &REST{}
)

// New implements rest.Storage.
func (*REST) New() runtime.Object { return &kafka.KafkaConsumerGroup{} }

// Destroy implements rest.Storage.
func (*REST) Destroy() {}

// NewList implements rest.Lister.
func (*REST) NewList() runtime.Object { return &kafka.KafkaConsumerGroupList{} }

// NamespaceScoped implements rest.Scoper.
func (*REST) NamespaceScoped() bool { return true }

// ShortNames implements rest.ShortNamesProvider.
func (*REST) ShortNames() []string { return []string{"kcg"} }

// Categories implements rest.CategoriesProvider.
func (*REST) Categories() []string { return []string{"kafka-all"} }

// GetSingularName implements rest.SingularNameProvider.
func (*REST) GetSingularName() string { return "kafkaconsumergroup" }

// Get implements rest.Getter: the group with its members and its lag, of which a list has neither.
func (r *REST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	at, err := findGroup(ctx, r.clusters, name, (*broker.Cluster).GroupOfAnyKind)
	if err == nil {
		err = at.missing()
	}
	if err != nil {
		return nil, err
	}
	g := at.group
	obj := view(at.kafka, g)
	if g.Hidden != nil {
		live.Warn(ctx, "the members are not known", g.Hidden)
	}
	obj.Status.Assignor = g.Assignor
	for _, m := range g.Members {
		member := kafka.ConsumerGroupMember{MemberID: m.ID, GroupInstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host}
		for _, t := range m.Assignment {
			member.Assignments = append(member.Assignments, kafka.TopicPartitions{Topic: t.Topic, Partitions: t.Partitions})
		}
		obj.Status.Members = append(obj.Status.Members, member)
	}
	if read, err := readPositions(ctx, at.cluster, g); err != nil {
		live.Warn(ctx, "the lag is not known", err)
	} else {
		obj.Status.Lag = read.lag()
	}
	return &obj, nil
}

// ConvertToTable implements rest.TableConvertor. One group shows more than a list does, and a list cannot know of -o wide.
func (*REST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	if meta.IsListType(object) {
		return listed.ConvertToTable(ctx, object, options)
	}
	return single.ConvertToTable(ctx, object, options)
}
