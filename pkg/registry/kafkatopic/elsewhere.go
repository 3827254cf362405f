package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
)

// elsewhere refuses to take over a topic that an object on another Kafka of the same cluster has: what one of them says of its settings, and
// of its end, is done to the topic of the other.
func (p *plane) elsewhere(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	standing, lives, err := p.topics.ClaimedElsewhere(ctx, topic, have.ID.String())
	switch {
	case err != nil || standing == nil:
		return err
	case lives:
		return (kind{p}).Claimed(ctx, topic, standing)
	case standing.Server != "":
		return apierrors.NewConflict(resolver.Resource, topic.Name, fmt.Errorf("a KafkaTopic for topic %s is being created on another Kafka of the same cluster; try again", have.Name))
	}
	return deletionPending(topic, fmt.Sprintf("topic %s is that of a deleted KafkaTopic on another Kafka of the same cluster and is about to be deleted; try again", have.Name))
}

// hadElsewhere refuses a topic that another object is known to have.
func (p *plane) hadElsewhere(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	standing, err := p.topics.HadElsewhere(ctx, kind{}.Name(topic), have.ID.String())
	if err != nil || standing == nil {
		return err
	}
	return (kind{p}).Claimed(ctx, topic, standing)
}

// isElsewhere tells whether an error is that of elsewhere about an object that is stored.
func isElsewhere(err error) bool {
	return apierrors.IsInvalid(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueDuplicate)
}

// errNotItsOwn is why a topic stays whose name an object had.
var errNotItsOwn = errors.New("it was on the brokers before, and the deleted object has not taken it over")

// errHadElsewhere is why the topic of a deleted object stays.
var errHadElsewhere = errors.New("a KafkaTopic on another Kafka of the same cluster has it, too")
