package ownerreferences

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// asked writes down what is asked, and allows what is in it.
type asked struct {
	allowed   []string
	questions []string
}

func (a *asked) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	question := strings.Join([]string{attributes.GetUser().GetName(), attributes.GetVerb(), attributes.GetAPIGroup(), attributes.GetResource(),
		attributes.GetSubresource(), attributes.GetNamespace(), attributes.GetName()}, " ")
	a.questions = append(a.questions, question)
	if slices.Contains(a.allowed, question) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "no rule", nil
}

func owned(references ...metav1.OwnerReference) *kafka.KafkaTopic {
	return &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "streams", OwnerReferences: references}}
}

func TestOwnerReferences(t *testing.T) {
	app := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "shop", UID: "1"}
	blocking := app
	blocking.BlockOwnerDeletion = ptr.To(true)
	renamed := blocking
	renamed.Name = "other"
	node := metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: "n1", UID: "2", BlockOwnerDeletion: ptr.To(true)}
	unknown := metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Shop", Name: "shop", UID: "3", BlockOwnerDeletion: ptr.To(true)}
	const (
		deletes    = "alice delete kafka.openshift.io kafkatopics  streams orders"
		finalizers = "alice update apps deployments finalizers streams shop"
		ofOther    = "alice update apps deployments finalizers streams other"
		ofNode     = "alice update  nodes finalizers  n1"
	)
	for _, tc := range []struct {
		rule        string
		before      *kafka.KafkaTopic // nil for a create
		after       *kafka.KafkaTopic
		subresource string
		questions   []string
		words       string // of the refusal when the last question is answered with no
	}{
		{rule: "an object without owners is created", after: owned()},
		{rule: "who creates an object may give it an owner", after: owned(app)},
		{rule: "one that it blocks needs the owner's finalizers", after: owned(blocking), questions: []string{finalizers}, words: `Deployment "shop"`},
		{rule: "an owner without a namespace is asked for without one", after: owned(node), questions: []string{ofNode}, words: `Node "n1"`},
		{rule: "an unchanged owner is nobody's matter", before: owned(blocking), after: owned(blocking)},
		{rule: "another owner needs the right to delete", before: owned(), after: owned(app), questions: []string{deletes}, words: "delete the object"},
		{rule: "no owner does, too", before: owned(app), after: owned(), questions: []string{deletes}, words: "delete the object"},
		{rule: "blocking what was not blocked needs both", before: owned(app), after: owned(blocking), questions: []string{deletes, finalizers}, words: `Deployment "shop"`},
		{rule: "blocking no more needs the right to delete alone", before: owned(blocking), after: owned(app), questions: []string{deletes}, words: "delete the object"},
		{rule: "another name under the same uid is another owner", before: owned(blocking), after: owned(renamed), questions: []string{deletes, ofOther}, words: `Deployment "other"`},
		{rule: "subresources leave owners as they are", before: owned(), after: owned(app), subresource: "status"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			for _, allowed := range []bool{true, false} {
				if !allowed && len(tc.questions) == 0 {
					continue
				}
				who := &asked{allowed: tc.questions}
				if !allowed {
					who.allowed = tc.questions[:len(tc.questions)-1]
				}
				err := validate(t, who, tc.before, tc.after, tc.subresource)
				if !slices.Equal(who.questions, tc.questions) {
					t.Errorf("asked is %q, want %q", who.questions, tc.questions)
				}
				if allowed && err != nil {
					t.Errorf("refused: %v", err)
				}
				if !allowed && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), tc.words)) {
					t.Errorf("got %v, want a 403 that says %q", err, tc.words)
				}
			}
		})
	}
	if err := validate(t, &asked{}, nil, owned(unknown), ""); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `no matches for kind "Shop"`) {
		t.Errorf("an owner of an unknown kind: %v", err)
	}
}

// noConfig is the configuration of plugins that have none.
type noConfig struct{}

func (noConfig) ConfigFor(string) (io.Reader, error) { return strings.NewReader(""), nil }

// The generic server hands plugins what they want, and does not start when one has not got it.
func TestTheGenericServerInitializesThePlugin(t *testing.T) {
	plugins := admission.NewPlugins()
	Register(plugins)
	without := initializer.New(nil, nil, nil, nil, nil, nil, nil, nil)
	if _, err := plugins.NewFromPlugins([]string{PluginName}, noConfig{}, without, admission.Decorators{}); err == nil {
		t.Error("the plugin starts without anything to ask")
	}
	with := initializer.New(nil, nil, nil, authorizerfactory.NewAlwaysAllowAuthorizer(), nil, nil, nil, meta.NewDefaultRESTMapper(nil))
	if _, err := plugins.NewFromPlugins([]string{PluginName}, noConfig{}, with, admission.Decorators{}); err != nil {
		t.Error(err)
	}
}

func validate(t *testing.T, who *asked, before, after *kafka.KafkaTopic, subresource string) error {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	plugin := New()
	if err := plugin.ValidateInitialization(); err == nil || !strings.Contains(err.Error(), "authorizer") || !strings.Contains(err.Error(), "RESTMapper") {
		t.Errorf("a plugin that was not initialized says %v", err)
	}
	plugin.SetUnconditionalAuthorizer(who)
	plugin.SetRESTMapper(mapper)
	if err := plugin.ValidateInitialization(); err != nil {
		t.Error(err)
	}
	operation, old := admission.Create, runtime.Object(nil)
	if before != nil {
		operation, old = admission.Update, before
	}
	attributes := admission.NewAttributesRecord(after, old, v1beta1.SchemeGroupVersion.WithKind("KafkaTopic"), "streams", "orders",
		v1beta1.SchemeGroupVersion.WithResource("kafkatopics"), subresource, operation, nil, false, &user.DefaultInfo{Name: "alice"})
	if !plugin.Handles(operation) {
		t.Errorf("%s is not handled", operation)
	}
	return plugin.Validate(t.Context(), attributes, nil)
}
