package apiservertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// rules are what the tests say about who may do what.
type rules struct {
	mu sync.RWMutex
	// may is by user; a user without an entry may do everything.
	may map[string]func(authorizer.Attributes) bool
	// admit is by namespace; everything is admitted to a namespace without an entry.
	admit map[string]func(admission.Attributes) error
}

var (
	_ admission.ValidationInterface = &rules{}
)

func newRules() *rules {
	return &rules{may: map[string]func(authorizer.Attributes) bool{}, admit: map[string]func(admission.Attributes) error{}}
}

func (r *rules) authorizer() authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
		r.mu.RLock()
		may := r.may[attributes.GetUser().GetName()]
		r.mu.RUnlock()
		if may == nil || may(attributes) {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "the test says no", nil
	})
}

// Handles implements admission.Interface.
func (r *rules) Handles(admission.Operation) bool { return true }

// Validate implements admission.ValidationInterface.
func (r *rules) Validate(_ context.Context, attributes admission.Attributes, _ admission.ObjectInterfaces) error {
	r.mu.RLock()
	admit := r.admit[attributes.GetNamespace()]
	r.mu.RUnlock()
	if admit == nil {
		return nil
	}
	return admit(attributes)
}

// Admit has all writes to a namespace judged, until the test ends.
func (s *Server) Admit(t testing.TB, namespace string, admit func(admission.Attributes) error) {
	t.Helper()
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.admit[namespace] = admit
	t.Cleanup(func() {
		s.rules.mu.Lock()
		defer s.rules.mu.Unlock()
		delete(s.rules.admit, namespace)
	})
}

// As is a client of a user who may do what the function allows.
func (s *Server) As(t testing.TB, may func(authorizer.Attributes) bool) (client versioned.Interface, user string) {
	t.Helper()
	s.mu.Lock()
	s.namespaces++
	user = fmt.Sprintf("user-%d", s.namespaces)
	s.mu.Unlock()
	s.rules.mu.Lock()
	s.rules.may[user] = may
	s.rules.mu.Unlock()
	config := rest.CopyConfig(s.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	return s.client(t, config), user
}

// Warnings collects the warnings that a client gets.
type Warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *Warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// Take returns the warnings since the last Take.
func (w *Warnings) Take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

// Warned is a client with the warnings that it gets.
func (s *Server) Warned(t testing.TB) (versioned.Interface, *Warnings) {
	t.Helper()
	warnings := &Warnings{}
	config := rest.CopyConfig(s.Config)
	config.WarningHandler = warnings
	return s.client(t, config), warnings
}

func (s *Server) client(t testing.TB, config *rest.Config) versioned.Interface {
	t.Helper()
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Namespace is a name that no other test uses.
func (s *Server) Namespace() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces++
	return fmt.Sprintf("ns-%d", s.namespaces)
}
