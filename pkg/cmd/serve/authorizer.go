package serve

import (
	"context"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// byNamespace asks first whether a user may do something to all objects of a namespace, and about the one object only if not. Whoever
// may do it to all may do it to each: an empty name means all (authorization.k8s.io/v1, ResourceAttributes). The host's answers are
// kept for some seconds, so that whoever works through thousands of objects is asked about once, and not by a request for each to
// kube-apiserver, of which the client sends no more than 200 in a second.
type byNamespace struct{ authorizer.Authorizer }

func (a byNamespace) Authorize(ctx context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	if reason, ok := a.all(ctx, attributes); ok {
		return authorizer.DecisionAllow, reason, nil
	}
	return a.Authorizer.Authorize(ctx, attributes)
}

// ConditionsAwareAuthorize implements authorizer.Authorizer.
func (a byNamespace) ConditionsAwareAuthorize(ctx context.Context, attributes authorizer.Attributes) authorizer.ConditionsAwareDecision {
	if reason, ok := a.all(ctx, attributes); ok {
		return authorizer.ConditionsAwareDecisionFromParts(authorizer.DecisionAllow, reason, nil)
	}
	return a.Authorizer.ConditionsAwareAuthorize(ctx, attributes)
}

func (a byNamespace) all(ctx context.Context, attributes authorizer.Attributes) (reason string, ok bool) {
	if !attributes.IsResourceRequest() || attributes.GetName() == "" || attributes.GetNamespace() == "" {
		return "", false
	}
	decision, reason, err := a.Authorizer.Authorize(ctx, nameless{attributes})
	return reason, err == nil && decision == authorizer.DecisionAllow
}

// nameless are attributes about all objects instead of one.
type nameless struct{ authorizer.Attributes }

func (nameless) GetName() string { return "" }
