package kafkatopic

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// elsewhere refuses to take over a topic that an object on another Kafka of the same cluster has: what one of them says of its settings, and
// of its end, is done to the topic of the other.
func (p *plane) elsewhere(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	standing, lives, err := p.topics.ClaimedElsewhere(ctx, topic, have.ID.String())
	switch {
	case err != nil:
		return err
	case standing == nil:
		return p.hadByAnother(ctx, topic, have)
	case lives:
		return (kind{p}).Claimed(ctx, topic, standing)
	case standing.Server != "":
		return apierrors.NewConflict(resolver.Resource, topic.Name, fmt.Errorf("a KafkaTopic for topic %s is being created on another Kafka of the same cluster; try again", have.Name))
	}
	return deletionPending(topic, fmt.Sprintf("topic %s is that of a deleted KafkaTopic on another Kafka of the same cluster and is about to be deleted; try again", have.Name))
}

// hadByAnother refuses to take over a topic that another object says to have. Its Kafka may be gone, so that nobody knows of which cluster that
// was, and may be made again: then both would have the topic. Kafka gives no id twice.
func (p *plane) hadByAnother(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	id := have.ID.String()
	if id == "" {
		return nil
	}
	all, err := p.topics.ListPredicate(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), havingTopic(id), &metainternalversion.ListOptions{})
	if err != nil {
		return err
	}
	var another *kafka.KafkaTopic
	if err := meta.EachListItem(all, func(obj runtime.Object) error {
		other, err := asTopic(obj)
		// Whoever has brokers of his own can have them say any id. A topic has one name.
		if err == nil && other.Status.TopicID == id && other.TopicName() == have.Name && other.UID != topic.UID && clusterOf(other) != clusterOf(topic) && !p.areApart(ctx, other, topic) {
			another = other
		}
		return err
	}); err != nil || another == nil {
		return err
	}
	return (kind{p}).Claimed(ctx, topic, &storage.Claim{Name: kind{}.Name(another),
		Owner: storage.Owner{Namespace: another.Namespace, Name: another.Name, UID: another.UID}})
}

// areApart tells whether two objects are known to be on different clusters. What the brokers of one say is no word about the other.
func (p *plane) areApart(ctx context.Context, one, other *kafka.KafkaTopic) bool {
	ids := make([]string, 0, 2)
	for _, topic := range []*kafka.KafkaTopic{one, other} {
		id, err := p.clusterIDOf(ctx, topic)
		if err != nil || id == "" {
			return false
		}
		ids = append(ids, id)
	}
	return ids[0] != ids[1]
}

// clusterIDOf is the id of the cluster that an object's Kafka stands for, also while another Kafka claims it, and also when it is gone. It is ""
// when it is not known. What the spec of a Kafka says of it, brokers have not confirmed.
func (p *plane) clusterIDOf(ctx context.Context, topic *kafka.KafkaTopic) (string, error) {
	of := clusterOf(topic)
	k, err := p.Clusters.Known(ctx, of.Namespace, of.Name)
	switch {
	case apierrors.IsNotFound(err):
		return p.topics.ClusterID(ctx, topic)
	case err != nil:
		return "", err
	}
	return cmp.Or(k.Status.PinnedClusterID, k.Status.ClusterID), nil
}

// hadElsewhere refuses a topic that another object is known to have.
func (p *plane) hadElsewhere(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	standing, err := p.topics.HadElsewhere(ctx, kind{}.Name(topic), have.ID.String())
	switch {
	case err != nil:
		return err
	case standing == nil:
		return p.hadByAnother(ctx, topic, have)
	}
	return (kind{p}).Claimed(ctx, topic, standing)
}

// isElsewhere tells whether an error is that of elsewhere about an object that is stored.
func isElsewhere(err error) bool {
	return apierrors.IsInvalid(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueDuplicate)
}

// errNotItsOwn is why a topic stays whose name an object had.
var errNotItsOwn = errors.New("it was on the brokers before, and the deleted object has not taken it over")

// errAnother is why a topic stays that has the place of an object's own.
var errAnother = errors.New("it is another than the deleted object had")

// errWithoutID is why a topic stays that was an object's by its name.
var errWithoutID = errors.New("the brokers gave it no id, and nothing is deleted by its name alone")

// errUsed is why a topic stays that was told by what it is like.
var errUsed = errors.New("it is not known to have been made for that, and somebody uses it")

// errHadElsewhere is why the topic of a deleted object stays.
var errHadElsewhere = errors.New("a KafkaTopic on another Kafka of the same cluster has it, too")
