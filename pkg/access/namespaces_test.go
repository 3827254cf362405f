package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
)

// Who may see everything is asked about once, others about each namespace, some at the same time, and not about any number.
func TestNamespaces(t *testing.T) {
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("ns-%03d", i))
	}
	for name, tc := range map[string]struct {
		namespaces []string
		// may allows a namespace, "" for all of them.
		may   func(namespace string) bool
		fails string
		asked int
		// allowed are those that the answer allows.
		allowed []string
		unasked int
	}{
		"nothing to see":        {may: func(string) bool { return true }},
		"everywhere":            {namespaces: many, may: func(namespace string) bool { return namespace == "" }, asked: 1, allowed: many},
		"somewhere":             {namespaces: []string{"a", "b", "c"}, may: func(namespace string) bool { return namespace == "b" }, asked: 4, allowed: []string{"b"}},
		"what is not found out": {namespaces: []string{"a", "b"}, may: func(namespace string) bool { return namespace != "" }, fails: "a", asked: 3, allowed: []string{"b"}},
		"too many":              {namespaces: many, may: func(namespace string) bool { return namespace != "" }, asked: 257, allowed: many[:256], unasked: 44},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			asked := 0
			reviewer := access.New(authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
				mu.Lock()
				defer mu.Unlock()
				asked++
				switch {
				case a.GetNamespace() == tc.fails && tc.fails != "":
					return authorizer.DecisionNoOpinion, "", errors.New("away")
				case a.GetResource() == "kafkatopics" && a.GetVerb() == "list" && a.GetName() == "" && tc.may(a.GetNamespace()):
					return authorizer.DecisionAllow, "", nil
				}
				return authorizer.DecisionNoOpinion, "", nil
			}))
			ctx := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "jane"})
			may, unasked := reviewer.Namespaces(ctx, access.Topics, tc.namespaces)
			var allowed []string
			for _, namespace := range tc.namespaces {
				if may(namespace) {
					allowed = append(allowed, namespace)
				}
			}
			if !slices.Equal(allowed, tc.allowed) || unasked != tc.unasked || asked != tc.asked {
				t.Errorf("allowed %v, %d not asked about, %d questions; want %v, %d, %d", allowed, unasked, asked, tc.allowed, tc.unasked, tc.asked)
			}
		})
	}
}

// Questions that nobody waits for one after the other are asked at the same time, and no more of them than some.
func TestNamespacesAreAskedAboutAtTheSameTime(t *testing.T) {
	const width = 8
	var mu sync.Mutex
	running, most := 0, 0
	full := make(chan struct{})
	reviewer := access.New(authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetNamespace() == "" {
			return authorizer.DecisionNoOpinion, "", nil
		}
		mu.Lock()
		running++
		if most = max(most, running); most == width {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		running--
		mu.Unlock()
		return authorizer.DecisionAllow, "", nil
	}))
	var namespaces []string
	for i := range 5 * width {
		namespaces = append(namespaces, fmt.Sprintf("ns-%03d", i))
	}
	ctx := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "jane"})
	if _, unasked := reviewer.Namespaces(ctx, access.Topics, namespaces); unasked != 0 || most != width {
		t.Errorf("%d questions at once, %d not asked about; want %d and 0", most, unasked, width)
	}
}
