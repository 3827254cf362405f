package serve

import (
	"context"
	"errors"
	"slices"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func TestByNamespace(t *testing.T) {
	deny := func(string) (authorizer.Decision, error) { return authorizer.DecisionNoOpinion, nil }
	for name, tc := range map[string]struct {
		attributes authorizer.AttributesRecord
		host       func(name string) (authorizer.Decision, error)
		asked      []string
		want       authorizer.Decision
		fails      bool
	}{
		"all": {
			attributes: authorizer.AttributesRecord{Verb: "update", Namespace: "shop", Name: "orders", ResourceRequest: true},
			host:       func(string) (authorizer.Decision, error) { return authorizer.DecisionAllow, nil },
			asked:      []string{""}, want: authorizer.DecisionAllow,
		},
		"one": {
			attributes: authorizer.AttributesRecord{Verb: "update", Namespace: "shop", Name: "orders", ResourceRequest: true},
			host: func(name string) (authorizer.Decision, error) {
				if name == "orders" {
					return authorizer.DecisionAllow, nil
				}
				return authorizer.DecisionDeny, nil
			},
			asked: []string{"", "orders"}, want: authorizer.DecisionAllow,
		},
		"none": {
			attributes: authorizer.AttributesRecord{Verb: "update", Namespace: "shop", Name: "orders", ResourceRequest: true},
			host:       deny, asked: []string{"", "orders"}, want: authorizer.DecisionNoOpinion,
		},
		"an error is no permission": {
			attributes: authorizer.AttributesRecord{Verb: "update", Namespace: "shop", Name: "orders", ResourceRequest: true},
			host: func(string) (authorizer.Decision, error) {
				return authorizer.DecisionAllow, errors.New("no answer")
			},
			asked: []string{"", "orders"}, want: authorizer.DecisionAllow, fails: true,
		},
		"without a name": {
			attributes: authorizer.AttributesRecord{Verb: "list", Namespace: "shop", ResourceRequest: true},
			host:       deny, asked: []string{""}, want: authorizer.DecisionNoOpinion,
		},
		"no resource": {
			attributes: authorizer.AttributesRecord{Verb: "get", Path: "/metrics"},
			host:       deny, asked: []string{""}, want: authorizer.DecisionNoOpinion,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.attributes.User = &user.DefaultInfo{Name: "jane"}
			var asked []string
			a := byNamespace{authorizer.AuthorizerFunc(func(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
				if attributes.GetUser().GetName() != "jane" || attributes.GetVerb() != tc.attributes.Verb || attributes.GetNamespace() != tc.attributes.Namespace {
					t.Errorf("asked about %+v", attributes)
				}
				asked = append(asked, attributes.GetName())
				decision, err := tc.host(attributes.GetName())
				return decision, "", err
			})}
			if decision, _, err := a.Authorize(t.Context(), tc.attributes); decision != tc.want || (err != nil) != tc.fails || !slices.Equal(asked, tc.asked) {
				t.Errorf("%v %v, asked %q", decision, err, asked)
			}
			asked = nil
			if d := a.ConditionsAwareAuthorize(t.Context(), tc.attributes); d.IsAllow() != (tc.want == authorizer.DecisionAllow) || !slices.Equal(asked, tc.asked) {
				t.Errorf("%v, asked %q", d, asked)
			}
		})
	}
}
