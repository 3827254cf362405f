package kafkatopic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// checkCarriedOut looks whether a topic that has no id is by now as its object says, when a status says so: what the claim notes of it is what
// tells it when brokers give it one, and others than this server, such as the controllers, carry out what was stored while brokers were away. learn is for
// when the status is stored; it is nil when there is no news. Only who has the right to all topics of the Kafka is believed.
func (p *plane) checkCarriedOut(ctx context.Context, topic *kafka.KafkaTopic) (learn func(context.Context), err error) {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != topic.Generation || p.access.own(ctx, topic, "") != nil {
		return nil, nil
	}
	standing, err := p.topics.Standing(ctx, topic)
	if err != nil || standing.WithoutID == nil {
		return nil, err
	}
	has, err := kind{p}.Wanted(topic)
	if err != nil || bytes.Equal(has, standing.WithoutID) {
		return nil, err
	}
	unconfirmed := func(err error) error {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("status: whether topic %s is as specified is not known: %s", topic.TopicName(), live.Line(err)))
	}
	k, err := p.FindKafka(ctx, topic)
	if err != nil {
		return nil, unconfirmed(err)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := p.Clusters.Ask(asking, k)
	if err != nil {
		return nil, unconfirmed(err)
	}
	have, found, err := cluster.Topic(asking, topic.TopicName())
	switch {
	case err != nil:
		return nil, unconfirmed(err)
	case !found || !have.ID.IsZero():
		return nil, nil
	}
	same, err := kind{p}.isWanted(asking, cluster, have, []json.RawMessage{has})
	switch {
	case err != nil:
		return nil, unconfirmed(err)
	case !same:
		return nil, nil
	}
	return func(ctx context.Context) { p.topics.Learn(ctx, topic, "", false) }, nil
}
