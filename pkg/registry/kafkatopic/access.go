package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// access asks whether the caller may do something, of the authorizer that also let the request in.
type access struct {
	authorizer authorizer.UnconditionalAuthorizer
}

// may tells whether the caller has a verb on an object, and why not.
func (a access) may(ctx context.Context, verb, resource, namespace, name string) (bool, string, error) {
	user, ok := genericapirequest.UserFrom(ctx)
	if !ok {
		return false, "", apierrors.NewInternalError(errors.New("no user in the request's context"))
	}
	decision, reason, err := a.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: user, Verb: verb, Namespace: namespace, APIGroup: kafka.GroupName,
		APIVersion: v1beta1.SchemeGroupVersion.Version, Resource: resource, Name: name, ResourceRequest: true,
	})
	// RBAC may allow and still report an error about a rule that it could not read.
	if decision == authorizer.DecisionAllow {
		return true, "", nil
	}
	return false, reason, err
}

// place asks for the verbs that a topic needs on its Kafka: "use", and "own" for a name on the brokers that is not
// the topic's own, or that begins like those of another namespace.
func (a access) place(ctx context.Context, topic *kafka.KafkaTopic) error {
	if err := a.need(ctx, topic, "use", ""); err != nil {
		return err
	}
	switch {
	case topic.TopicName() != topic.DefaultTopicName():
		return a.own(ctx, topic, fmt.Sprintf("to choose the topic name %q", topic.TopicName()))
	case topic.Spec.AdoptTopicID != "":
		return a.own(ctx, topic, fmt.Sprintf("to take over the topic with id %s", topic.Spec.AdoptTopicID))
	}
	prefix, _, dotted := strings.Cut(topic.TopicName(), ".")
	if dotted && topic.Namespace == topic.ClusterNamespace() && prefix != topic.Namespace && len(utilvalidation.IsDNS1123Label(prefix)) == 0 {
		return a.own(ctx, topic, fmt.Sprintf("to choose the topic name %q, which is one of namespace %q", topic.TopicName(), prefix))
	}
	return nil
}

// own asks for the right to do with a Kafka's topics what is not a tenant's own; what says for what it is needed.
func (a access) own(ctx context.Context, topic *kafka.KafkaTopic, what string) error {
	return a.need(ctx, topic, "own", what)
}

func (a access) need(ctx context.Context, topic *kafka.KafkaTopic, verb, what string) error {
	namespace, name := topic.ClusterNamespace(), topic.Spec.ClusterRef.Name
	allowed, reason, err := a.may(ctx, verb, "kafkas", namespace, name)
	if allowed {
		return nil
	}
	if err != nil && reason == "" {
		reason = err.Error()
	}
	user, ok := genericapirequest.UserFrom(ctx)
	if !ok {
		return err
	}
	why := fmt.Sprintf("user %q needs the verb %q on kafkas/%s in namespace %q", user.GetName(), verb, name, namespace)
	if what != "" {
		why += " " + what
	}
	if reason != "" {
		why += ": " + reason
	}
	return apierrors.NewForbidden(kafka.Resource("kafkatopics"), topic.Name, errors.New(why))
}
