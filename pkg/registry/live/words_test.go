package live

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Who may only use a Kafka does not read in his own topic how it is reached.
func TestWhoMayKnowHowAClusterIsReached(t *testing.T) {
	err := error(&kafkaerr.UnreachableError{Cluster: "streams/k", Address: "10.0.0.7:9092",
		Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonCredentialsUnavailable, Text: "Secret streams/login does not exist"}})
	clusters := &Clusters{Access: access.New(authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetVerb() != "get" || a.GetResource() != "kafkas" || a.GetNamespace() != "streams" || a.GetName() != "k" || a.GetSubresource() != "" {
			t.Errorf("asked about %+v", a)
		}
		if a.GetUser().GetName() == "operator" {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	}))}
	as := func(name string) context.Context {
		return genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: name})
	}
	for name, tc := range map[string]struct {
		err  error
		full bool
	}{
		"what is stored":        {err, false},
		"who may use it":        {clusters.For(as("tenant"), "streams", "k", err), false},
		"who may get it":        {clusters.For(as("operator"), "streams", "k", err), true},
		"nobody who is known":   {clusters.For(t.Context(), "streams", "k", err), false},
		"in full, once wrapped": {errors.Join(clusters.For(as("operator"), "streams", "k", err)), true},
	} {
		recorded := &recorder{}
		Warn(warning.WithWarningRecorder(t.Context(), recorded), "not now", tc.err)
		for what, text := range map[string]string{
			"Line": Line(tc.err), "Warn": recorded.texts[0], "Unavailable": Unavailable(tc.err).Error(),
			"Refused": Refused(tc.err, kafka.Resource("kafkatopics"), "orders", "").Error(),
		} {
			if got := strings.Contains(text, "10.0.0.7") && strings.Contains(text, "streams/login"); got != tc.full {
				t.Errorf("%s: %s says %q", name, what, text)
			}
			if !tc.full && (strings.Contains(text, "10.0.0") || strings.Contains(text, "login")) {
				t.Errorf("%s: %s says %q", name, what, text)
			}
		}
		if !IsAway(tc.err) {
			t.Errorf("%s: is no longer away", name)
		}
	}
	if clusters.For(as("operator"), "streams", "k", nil) != nil {
		t.Error("nothing is something")
	}
}
