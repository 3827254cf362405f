// Package access asks whether somebody may do something, for rights that no request of its own stands for: a topic is placed on a Kafka,
// a Kafka refers to a Secret. It asks the authorizer that also lets requests in, so that kubectl auth can-i says the same.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// Reviewer answers Questions. Make it with New.
type Reviewer struct {
	authorizer authorizer.UnconditionalAuthorizer
}

// New builds a Reviewer.
func New(authorizer authorizer.UnconditionalAuthorizer) Reviewer {
	return Reviewer{authorizer: authorizer}
}

// Question is what somebody wants to do to an object.
type Question struct {
	// User is who wants to; whose request it is when nil.
	User user.Info
	Verb string
	// Resource is the object's kind, of the served version of this API's group or of the host's.
	Resource    schema.GroupVersionResource
	Subresource string
	Namespace   string
	// Name is the object's; "" asks about all objects of the namespace.
	Name string
}

// Kafkas are what a Question about Kafkas is about, Topics one about KafkaTopics, and Secrets one about Secrets.
var (
	Kafkas  = v1beta1.SchemeGroupVersion.WithResource("kafkas")
	Topics  = v1beta1.SchemeGroupVersion.WithResource("kafkatopics")
	Secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// String words what is wanted, without who wants it.
func (q Question) String() string {
	what := q.Resource.Resource
	if q.Subresource != "" {
		what += "/" + q.Subresource
	}
	if q.Name != "" {
		what += "/" + q.Name
	}
	return fmt.Sprintf("the verb %q on %s in namespace %q", q.Verb, what, q.Namespace)
}

// May tells whether somebody may do something, and if not why, as far as the authorizer tells. What could not be found out is an error.
func (r Reviewer) May(ctx context.Context, q Question) (allowed bool, reason string, err error) {
	who, err := q.who(ctx)
	if err != nil {
		return false, "", err
	}
	decision, reason, err := r.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: who, Verb: q.Verb, Namespace: q.Namespace, APIGroup: q.Resource.Group, APIVersion: q.Resource.Version,
		Resource: q.Resource.Resource, Subresource: q.Subresource, Name: q.Name, ResourceRequest: true,
	})
	// RBAC may allow and still report an error about a rule that it could not read.
	if decision == authorizer.DecisionAllow {
		return true, "", nil
	}
	return false, reason, err
}

const (
	// maxNamespaces is about how many namespaces one request asks. Whatever a cluster is shared by, its answer must not use up the reviews
	// that all requests share.
	maxNamespaces = 256
	// namespacesAtOnce is how many it asks about at the same time.
	namespacesAtOnce = 8
)

// Namespaces tells in which of some namespaces, in their order, somebody may list the objects of a kind. One question about all namespaces
// spares the others to who may list them everywhere: a list of all namespaces has the objects of each. Of another verb, an authorizer that
// denies a namespace, or an object by its name, would be bypassed by it. The authorizer remembers its answers for a while. unasked counts the
// last namespaces, about which nobody was asked because they are too many. What cannot be found out is not allowed.
func (r Reviewer) Namespaces(ctx context.Context, resource schema.GroupVersionResource, namespaces []string) (allowed func(namespace string) bool, unasked int) {
	ask := func(namespace string) bool {
		may, _, err := r.May(ctx, Question{Verb: "list", Resource: resource, Namespace: namespace})
		return may && err == nil
	}
	if len(namespaces) == 0 || ask(metav1.NamespaceAll) {
		return func(string) bool { return true }, 0
	}
	asked := namespaces[:min(len(namespaces), maxNamespaces)]
	answers := make([]bool, len(asked))
	places := make(chan struct{}, namespacesAtOnce)
	var running crash.Group
	for i, namespace := range asked {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			answers[i] = ask(namespace)
		})
	}
	running.Wait()
	return func(namespace string) bool {
		at, known := slices.BinarySearch(asked, namespace)
		return known && answers[at]
	}, len(namespaces) - len(asked)
}

// Require is nil when somebody may do something, else the 403 of a request about an object of this API's group. The purpose says what
// the right is needed for and follows the question's words; "" when they say it.
func (r Reviewer) Require(ctx context.Context, q Question, resource, object, purpose string) error {
	allowed, reason, err := r.May(ctx, q)
	if allowed {
		return nil
	}
	who, unknown := q.who(ctx)
	if unknown != nil {
		return unknown
	}
	if err != nil && reason == "" {
		reason = err.Error()
	}
	why := fmt.Sprintf("user %q needs %s%s", who.GetName(), q, purpose)
	if reason != "" {
		why += ": " + reason
	}
	return apierrors.NewForbidden(kafka.Resource(resource), object, errors.New(why))
}

// who is whom a question is about.
func (q Question) who(ctx context.Context) (user.Info, error) {
	if q.User != nil {
		return q.User, nil
	}
	who, ok := genericapirequest.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewInternalError(errors.New("no user in the request's context"))
	}
	return who, nil
}
