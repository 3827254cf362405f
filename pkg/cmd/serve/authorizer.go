package serve

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// proxied is the user of a request that kube-apiserver sends on. It does so after its own authorizers have allowed that very request, of
// the object by its name.
type proxied struct{ user.Info }

// marking marks the users of requests that come from kube-apiserver.
type marking struct {
	proxy, all authenticator.Request
}

// markProxied is an authenticator that marks the users whom kube-apiserver names. How it proves to be kube-apiserver is said by the
// configuration of the front proxy; nobody is marked without one.
func markProxied(all authenticator.Request, proxy *authenticatorfactory.RequestHeaderConfig) authenticator.Request {
	if proxy == nil {
		return all
	}
	headers := headerrequest.NewDynamicVerifyOptionsSecure(proxy.CAContentProvider.VerifyOptions, proxy.AllowedClientNames,
		proxy.UsernameHeaders, proxy.UIDHeaders, proxy.GroupHeaders, proxy.ExtraHeaderPrefixes)
	return marking{proxy: group.NewAuthenticatedGroupAdder(headers), all: all}
}

// AuthenticateRequest implements authenticator.Request.
func (m marking) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if response, ok, err := m.proxy.AuthenticateRequest(r); ok && err == nil {
		response.User = proxied{response.User}
		return response, true, nil
	}
	return m.all.AuthenticateRequest(r)
}

// byNamespace asks, about a request that kube-apiserver has let through, first whether its user may do the same to all objects of the
// namespace, and about the one object only if not. RBAC allows each to whoever it allows all, so that whoever works through thousands of
// objects is asked about once in some seconds. An authorizer of the host that denies one object by its name has denied the request there.
// Everything else is asked by name: requests that come to this server directly, and questions that are not the request itself, such as
// those about the Kafka of a topic.
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
	if !attributes.IsResourceRequest() || attributes.GetName() == "" || attributes.GetNamespace() == "" || !letThrough(ctx, attributes) {
		return "", false
	}
	decision, reason, err := a.Authorizer.Authorize(ctx, nameless{attributes})
	return reason, err == nil && decision == authorizer.DecisionAllow
}

// letThrough tells whether kube-apiserver has asked its own authorizers the same.
func letThrough(ctx context.Context, attributes authorizer.Attributes) bool {
	if _, ok := attributes.GetUser().(proxied); !ok {
		return false
	}
	request, ok := genericapirequest.RequestInfoFrom(ctx)
	return ok && request.IsResourceRequest && request.Verb == attributes.GetVerb() && request.APIGroup == attributes.GetAPIGroup() &&
		request.Resource == attributes.GetResource() && request.Subresource == attributes.GetSubresource() &&
		request.Namespace == attributes.GetNamespace() && request.Name == attributes.GetName()
}

// nameless are attributes about all objects instead of one.
type nameless struct{ authorizer.Attributes }

func (nameless) GetName() string { return "" }

// delegated asks the host, as the generic options do, but with a client of no limit of its own: theirs is 200 questions a second, and
// whoever may change some objects by their names is asked about for each. What the host can bear is said by its priority and fairness.
func delegated(options *genericoptions.DelegatingAuthorizationOptions) (authorizer.Authorizer, error) {
	var config *rest.Config
	var err error
	if options.RemoteKubeConfigFile != "" {
		config, err = clientcmd.BuildConfigFromFlags("", options.RemoteKubeConfigFile)
	} else {
		config, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("find the host that authorizes: %w", err)
	}
	config.QPS, config.Timeout = -1, options.ClientTimeout
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("build the client of the host that authorizes: %w", err)
	}
	paths, err := path.NewAuthorizer(options.AlwaysAllowPaths)
	if err != nil {
		return nil, fmt.Errorf("--authorization-always-allow-paths: %w", err)
	}
	host, err := authorizerfactory.DelegatingAuthorizerConfig{SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL: options.AllowCacheTTL, DenyCacheTTL: options.DenyCacheTTL, WebhookRetryBackoff: options.WebhookRetryBackoff}.New()
	if err != nil {
		return nil, err
	}
	return union.New(
		union.NamedAuthorizer{AuthorizerName: "kubernetes.io/always-allow-groups", Authorizer: authorizerfactory.NewPrivilegedGroups(options.AlwaysAllowGroups...)},
		union.NamedAuthorizer{AuthorizerName: "kubernetes.io/always-allow-paths", Authorizer: paths},
		union.NamedAuthorizer{AuthorizerName: "kubernetes.io/webhook", Authorizer: host},
	)
}
