package access_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
)

func reviewer(t *testing.T, want authorizer.AttributesRecord, decision authorizer.Decision, reason string, err error) access.Reviewer {
	return access.New(authorizer.AuthorizerFunc(func(_ context.Context, got authorizer.Attributes) (authorizer.Decision, string, error) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("asked about %+v, want %+v", got, want)
		}
		return decision, reason, err
	}))
}

func TestAnswers(t *testing.T) {
	jane, recorded := &user.DefaultInfo{Name: "jane"}, &user.DefaultInfo{Name: "maker", Groups: []string{"team"}}
	use := authorizer.AttributesRecord{User: jane, Verb: "use", Namespace: "streams", APIGroup: "kafka.openshift.io", APIVersion: "v1beta1",
		Resource: "kafkas", Name: "k", ResourceRequest: true}
	own := use
	own.User, own.Verb = recorded, "own"
	log := use
	log.Verb, log.Resource, log.Subresource, log.Name = "get", "kafkatopics", "log", "orders"
	secret := authorizer.AttributesRecord{User: jane, Verb: "get", Namespace: "streams", APIVersion: "v1", Resource: "secrets", Name: "creds", ResourceRequest: true}
	for name, tc := range map[string]struct {
		question access.Question
		asked    authorizer.AttributesRecord
		decision authorizer.Decision
		reason   string
		err      error
		allowed  bool
		purpose  string
		message  string
	}{
		"allowed": {
			question: access.Question{Verb: "use", Resource: access.Kafkas, Namespace: "streams", Name: "k"}, asked: use,
			decision: authorizer.DecisionAllow, allowed: true,
		},
		"allowed beside a rule that cannot be read": {
			question: access.Question{Verb: "use", Resource: access.Kafkas, Namespace: "streams", Name: "k"}, asked: use,
			decision: authorizer.DecisionAllow, err: errors.New("no such role"), allowed: true,
		},
		"a recorded user": {
			question: access.Question{User: recorded, Verb: "own", Resource: access.Kafkas, Namespace: "streams", Name: "k"}, asked: own,
			decision: authorizer.DecisionNoOpinion, reason: "not yours", purpose: " to choose the topic name \"payments\"",
			message: `kafkatopics.kafka.openshift.io "orders" is forbidden: user "maker" needs the verb "own" on kafkas/k in namespace "streams" to choose the topic name "payments": not yours`,
		},
		"a subresource": {
			question: access.Question{Verb: "get", Resource: access.Topics, Subresource: "log", Namespace: "streams", Name: "orders"}, asked: log,
			decision: authorizer.DecisionDeny,
			message:  `kafkatopics.kafka.openshift.io "orders" is forbidden: user "jane" needs the verb "get" on kafkatopics/log/orders in namespace "streams"`,
		},
		"no answer": {
			question: access.Question{Verb: "get", Resource: access.Secrets, Namespace: "streams", Name: "creds"}, asked: secret,
			decision: authorizer.DecisionNoOpinion, err: errors.New("connection refused"), purpose: ", to which spec.external refers",
			message: `kafkatopics.kafka.openshift.io "orders" is forbidden: user "jane" needs the verb "get" on secrets/creds in namespace "streams", to which spec.external refers: connection refused`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := reviewer(t, tc.asked, tc.decision, tc.reason, tc.err)
			ctx := genericapirequest.WithUser(t.Context(), jane)
			allowed, reason, err := r.May(ctx, tc.question)
			if allowed != tc.allowed || !tc.allowed && (reason != tc.reason || !errors.Is(err, tc.err)) {
				t.Errorf("%v, %q, %v", allowed, reason, err)
			}
			err = r.Require(ctx, tc.question, "kafkatopics", "orders", tc.purpose)
			if tc.allowed {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !apierrors.IsForbidden(err) || err.Error() != tc.message {
				t.Errorf("%v\nwant %s", err, tc.message)
			}
		})
	}
}

// A request without a user is a fault of this server, not of the caller.
func TestNobodyMayNothing(t *testing.T) {
	r := access.New(authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
		return authorizer.DecisionAllow, "", nil
	}))
	q := access.Question{Verb: "use", Resource: access.Kafkas, Namespace: "streams", Name: "k"}
	if allowed, _, err := r.May(t.Context(), q); allowed || !apierrors.IsInternalError(err) {
		t.Errorf("%v, %v", allowed, err)
	}
	if err := r.Require(t.Context(), q, "kafkatopics", "orders", ""); !apierrors.IsInternalError(err) {
		t.Error(err)
	}
}
