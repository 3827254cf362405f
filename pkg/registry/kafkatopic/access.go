package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
// the topic's own.
func (a access) place(ctx context.Context, topic *kafka.KafkaTopic) error {
	verbs := []string{"use"}
	if topic.TopicName() != topic.DefaultTopicName() {
		verbs = append(verbs, "own")
	}
	namespace, name := topic.ClusterNamespace(), topic.Spec.ClusterRef.Name
	for _, verb := range verbs {
		allowed, reason, err := a.may(ctx, verb, "kafkas", namespace, name)
		if allowed {
			continue
		}
		if err != nil && reason == "" {
			reason = err.Error()
		}
		user, _ := genericapirequest.UserFrom(ctx)
		why := fmt.Sprintf("user %q needs the verb %q on kafkas/%s in namespace %q", user.GetName(), verb, name, namespace)
		if verb == "own" {
			why += fmt.Sprintf(" to choose the topic name %q", topic.TopicName())
		}
		if reason != "" {
			why += ": " + reason
		}
		return apierrors.NewForbidden(kafka.Resource("kafkatopics"), topic.Name, errors.New(why))
	}
	return nil
}
