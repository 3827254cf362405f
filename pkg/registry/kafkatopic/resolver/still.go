package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// Still asks again, for a request that lasts, what was asked when it began: whether its caller may get a subresource of the topic, and whether
// the object, its Kafka and the way to its brokers are still those that were found. The answer is why not, nil also while that cannot be found
// out. Whose cluster the brokers are is asked of each connection, and what they have they tell themselves.
func (r *Resolver) Still(ctx context.Context, t Target, subresource string) error {
	get := access.Question{Verb: "get", Resource: access.Topics, Subresource: subresource, Namespace: t.Topic.Namespace, Name: t.Topic.Name}
	if allowed, _, err := r.Clusters.Access.May(ctx, get); !allowed && err == nil {
		return Forbidden(t.Topic, fmt.Sprintf("who reads this has not %s any more", get))
	}
	topic, err := r.Topic(genericapirequest.WithNamespace(ctx, t.Topic.Namespace), t.Topic.Name)
	switch {
	case apierrors.IsNotFound(err), err == nil && topic.UID != t.Topic.UID:
		return of(t.Topic, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("the KafkaTopic %q was deleted", t.Topic.Name))
	case err != nil:
		return nil
	}
	k, err := r.FindKafka(ctx, topic)
	var missing *live.NoKafkaError
	switch {
	case errors.As(err, &missing):
		return of(t.Topic, http.StatusNotFound, metav1.StatusReasonNotFound, missing.Error())
	case err != nil:
		return nil
	}
	cluster, err := r.Clusters.Connect(k)
	var claimed *live.ClaimedError
	switch {
	case errors.As(err, &claimed), kafkaerr.IsUnreachable(err):
		return live.Unavailable(r.InWords(ctx, topic, err))
	case err == nil && cluster.Key() != t.Cluster.Key():
		return of(t.Topic, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("the Kafka %s/%s was deleted, and another has its name", k.Namespace, k.Name))
	}
	return nil
}
