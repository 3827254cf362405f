// Package ownerreferences admits changes of metadata.ownerReferences by who may make them: they decide what the garbage collector
// deletes, and what has to go before an owner can. It never looks at anything else of an object.
package ownerreferences

import (
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"
)

// PluginName is the name that kube-apiserver has for the same rules, which it cannot apply to kinds that others serve. As there, the
// plugin is off unless --enable-admission-plugins names it.
const PluginName = "OwnerReferencesPermissionEnforcement"

// Register makes the plugin known.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) { return New(), nil })
}

// Plugin is the admission plugin.
type Plugin struct {
	*admission.Handler
	authorizer authorizer.UnconditionalAuthorizer
	mapper     meta.RESTMapper
}

var (
	_ admission.ValidationInterface            = &Plugin{}
	_ admission.InitializationValidator        = &Plugin{}
	_ initializer.WantsUnconditionalAuthorizer = &Plugin{}
	_ initializer.WantsRESTMapper              = &Plugin{}
)

// New returns a plugin that has to be initialized.
func New() *Plugin {
	return &Plugin{Handler: admission.NewHandler(admission.Create, admission.Update)}
}

// SetUnconditionalAuthorizer implements initializer.WantsUnconditionalAuthorizer.
func (p *Plugin) SetUnconditionalAuthorizer(a authorizer.UnconditionalAuthorizer) { p.authorizer = a }

// SetRESTMapper implements initializer.WantsRESTMapper.
func (p *Plugin) SetRESTMapper(m meta.RESTMapper) { p.mapper = m }

// ValidateInitialization implements admission.InitializationValidator.
func (p *Plugin) ValidateInitialization() error {
	var errs []error
	if p.authorizer == nil {
		errs = append(errs, errors.New("missing authorizer"))
	}
	if p.mapper == nil {
		errs = append(errs, errors.New("missing RESTMapper"))
	}
	return errors.Join(errs...)
}

// Validate implements admission.ValidationInterface. A change of ownerReferences needs the right to delete the object, because the garbage
// collector may do it then; a reference that blocks the deletion of its owner needs the right to update the owner's finalizers,
// which block it, too.
func (p *Plugin) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	// Subresources leave ownerReferences as they are.
	if a.GetSubresource() != "" {
		return nil
	}
	object, err := meta.Accessor(a.GetObject())
	if err != nil {
		return nil // no object of the API
	}
	var before []metav1.OwnerReference
	if old, err := meta.Accessor(a.GetOldObject()); err == nil && a.GetOldObject() != nil {
		before = old.GetOwnerReferences()
	}
	after := object.GetOwnerReferences()
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	// Who creates an object decides what becomes of it.
	if a.GetOperation() == admission.Update {
		if err := p.may(ctx, a, "delete", a.GetResource(), "", a.GetNamespace(), a.GetName()); err != nil {
			return admission.NewForbidden(a, fmt.Errorf("who changes metadata.ownerReferences needs to be allowed to delete the object: %w", err))
		}
	}
	for _, owner := range newlyBlocked(before, after) {
		if err := p.mayBlock(ctx, a, owner); err != nil {
			return admission.NewForbidden(a, fmt.Errorf("who sets blockOwnerDeletion needs to be allowed to update the finalizers of the owner, %s %q: %w",
				owner.Kind, owner.Name, err))
		}
	}
	return nil
}

// newlyBlocked are the references that block the deletion of their owner, and did not before.
func newlyBlocked(before, after []metav1.OwnerReference) []metav1.OwnerReference {
	// A reference is to the owner that it names: with another name or kind it is about another owner, whatever its uid is.
	type owner struct {
		uid                    types.UID
		apiVersion, kind, name string
	}
	of := func(r metav1.OwnerReference) owner { return owner{r.UID, r.APIVersion, r.Kind, r.Name} }
	blocked := map[owner]bool{}
	for _, r := range before {
		blocked[of(r)] = blocked[of(r)] || ptr.Deref(r.BlockOwnerDeletion, false)
	}
	var found []metav1.OwnerReference
	for _, r := range after {
		if ptr.Deref(r.BlockOwnerDeletion, false) && !blocked[of(r)] {
			found = append(found, r)
		}
	}
	return found
}

func (p *Plugin) mayBlock(ctx context.Context, a admission.Attributes, owner metav1.OwnerReference) error {
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return err
	}
	mapping, err := p.mapper.RESTMapping(schema.GroupKind{Group: version.Group, Kind: owner.Kind}, version.Version)
	if err != nil {
		return fmt.Errorf("find its resource: %w", err)
	}
	namespace := ""
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace = a.GetNamespace()
	}
	return p.may(ctx, a, "update", mapping.Resource, "finalizers", namespace, owner.Name)
}

// may says why the user of a request may not do something; nil when he may.
func (p *Plugin) may(ctx context.Context, a admission.Attributes, verb string, resource schema.GroupVersionResource, subresource, namespace, name string) error {
	decision, reason, err := p.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: a.GetUserInfo(), Verb: verb, APIGroup: resource.Group, APIVersion: resource.Version, Resource: resource.Resource, Subresource: subresource,
		Namespace: namespace, Name: name, ResourceRequest: true,
	})
	switch {
	case decision == authorizer.DecisionAllow:
		return nil
	case err != nil:
		return err
	case reason == "":
		reason = "not allowed"
	}
	return errors.New(reason)
}
