package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// about is a request's context, and what is asked about the request itself.
func about(t testing.TB, attributes authorizer.AttributesRecord) context.Context {
	return genericapirequest.WithRequestInfo(t.Context(), &genericapirequest.RequestInfo{IsResourceRequest: attributes.ResourceRequest,
		Verb: attributes.Verb, APIGroup: attributes.APIGroup, Resource: attributes.Resource, Subresource: attributes.Subresource,
		Namespace: attributes.Namespace, Name: attributes.Name})
}

func TestByNamespace(t *testing.T) {
	update := authorizer.AttributesRecord{User: proxied{&user.DefaultInfo{Name: "jane"}}, Verb: "update", Namespace: "shop",
		APIGroup: "kafka.openshift.io", Resource: "kafkatopics", Name: "orders", ResourceRequest: true}
	direct, list, path := update, update, authorizer.AttributesRecord{User: update.User, Verb: "get", Path: "/metrics"}
	direct.User = &user.DefaultInfo{Name: "jane"}
	list.Verb, list.Name = "list", ""
	// all allows everything that has no name in the question; one allows the object orders, and denied all but that.
	all := func(string) (authorizer.Decision, error) { return authorizer.DecisionAllow, nil }
	one := func(name string) (authorizer.Decision, error) {
		if name == "orders" {
			return authorizer.DecisionAllow, nil
		}
		return authorizer.DecisionDeny, nil
	}
	denied := func(name string) (authorizer.Decision, error) {
		if name == "orders" {
			return authorizer.DecisionDeny, nil
		}
		return authorizer.DecisionAllow, nil
	}
	for name, tc := range map[string]struct {
		request    authorizer.AttributesRecord
		attributes authorizer.AttributesRecord
		host       func(name string) (authorizer.Decision, error)
		asked      []string
		want       authorizer.Decision
		fails      bool
	}{
		"all":  {request: update, attributes: update, host: all, asked: []string{""}, want: authorizer.DecisionAllow},
		"one":  {request: update, attributes: update, host: one, asked: []string{"", "orders"}, want: authorizer.DecisionAllow},
		"none": {request: update, attributes: update, asked: []string{"", "orders"}, want: authorizer.DecisionNoOpinion},
		// The host would not have sent the request on.
		"a request that does not come from the host is denied by name": {request: direct, attributes: direct, host: denied, asked: []string{"orders"}, want: authorizer.DecisionDeny},
		"a question beside the request is denied by name":              {request: list, attributes: update, host: denied, asked: []string{"orders"}, want: authorizer.DecisionDeny},
		"of another object": {request: func() authorizer.AttributesRecord { r := update; r.Name = "other"; return r }(),
			attributes: update, host: denied, asked: []string{"orders"}, want: authorizer.DecisionDeny},
		"an error is no permission": {request: update, attributes: update, asked: []string{"", "orders"}, want: authorizer.DecisionAllow, fails: true,
			host: func(string) (authorizer.Decision, error) { return authorizer.DecisionAllow, errors.New("no answer") }},
		"without a name": {request: list, attributes: list, asked: []string{""}, want: authorizer.DecisionNoOpinion},
		"no resource":    {request: path, attributes: path, asked: []string{""}, want: authorizer.DecisionNoOpinion},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			a := byNamespace{authorizer.AuthorizerFunc(func(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
				if attributes.GetUser().GetName() != "jane" || attributes.GetVerb() != tc.attributes.Verb || attributes.GetNamespace() != tc.attributes.Namespace {
					t.Errorf("asked about %+v", attributes)
				}
				asked = append(asked, attributes.GetName())
				if tc.host == nil {
					return authorizer.DecisionNoOpinion, "", nil
				}
				decision, err := tc.host(attributes.GetName())
				return decision, "", err
			})}
			ctx := about(t, tc.request)
			if decision, _, err := a.Authorize(ctx, tc.attributes); decision != tc.want || (err != nil) != tc.fails || !slices.Equal(asked, tc.asked) {
				t.Errorf("%v %v, asked %q", decision, err, asked)
			}
			asked = nil
			if d := a.ConditionsAwareAuthorize(ctx, tc.attributes); d.IsAllow() != (tc.want == authorizer.DecisionAllow) || !slices.Equal(asked, tc.asked) {
				t.Errorf("%v, asked %q", d, asked)
			}
		})
	}
}

// Only who has the front proxy's certificate is believed to be kube-apiserver.
func TestWhoIsProxied(t *testing.T) {
	authority, err := kafkaproc.NewAuthority("front proxy")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := kafkaproc.NewAuthority("somebody")
	if err != nil {
		t.Fatal(err)
	}
	authorities, err := dynamiccertificates.NewStaticCAContent("front proxy", authority.PEM)
	if err != nil {
		t.Fatal(err)
	}
	everybody := authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: "token"}}, true, nil
	})
	a := markProxied(everybody, &authenticatorfactory.RequestHeaderConfig{CAContentProvider: authorities,
		UsernameHeaders: headerrequest.StaticStringSlice{"X-Remote-User"}, UIDHeaders: headerrequest.StaticStringSlice{"X-Remote-Uid"},
		GroupHeaders: headerrequest.StaticStringSlice{"X-Remote-Group"}, ExtraHeaderPrefixes: headerrequest.StaticStringSlice{"X-Remote-Extra-"},
		AllowedClientNames: headerrequest.StaticStringSlice{"kube-apiserver"}})
	certificate := func(from *kafkaproc.Authority, name string) *tls.ConnectionState {
		issued, err := from.Issue(name, time.Now().Add(time.Hour), name)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(issued.Cert, issued.Key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	}
	for name, tc := range map[string]struct {
		tls     *tls.ConnectionState
		user    string
		proxied bool
	}{
		"kube-apiserver":                         {certificate(authority, "kube-apiserver"), "jane", true},
		"another client of the front proxy's CA": {certificate(authority, "other"), "token", false},
		"somebody else's CA":                     {certificate(stranger, "kube-apiserver"), "token", false},
		"no certificate":                         {&tls.ConnectionState{}, "token", false},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodGet, "/apis", nil)
			request.TLS = tc.tls
			request.Header.Set("X-Remote-User", "jane")
			response, ok, err := a.AuthenticateRequest(request)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if _, marked := response.User.(proxied); marked != tc.proxied || response.User.GetName() != tc.user {
				t.Errorf("%+v, marked %t", response.User, marked)
			}
		})
	}
	if a := markProxied(everybody, nil); a == nil {
		t.Error("nobody is authenticated without a front proxy")
	} else if response, _, _ := a.AuthenticateRequest(httptest.NewRequest(http.MethodGet, "/apis", nil)); response.User.GetName() != "token" {
		t.Errorf("%+v", response.User)
	}
}

// host is a kube-apiserver that answers reviews: by the name of the role, all objects are allowed, or only those by name.
func host(t testing.TB) (options *genericoptions.DelegatingAuthorizationOptions, reviews *atomic.Int64) {
	t.Helper()
	reviews = &atomic.Int64{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reviews.Add(1)
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		review.Status.Allowed = review.Spec.User[:3] == "all" || review.Spec.ResourceAttributes.Name != ""
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(&review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["host"] = &clientcmdapi.Cluster{Server: server.URL, InsecureSkipTLSVerify: true}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: "token"}
	config.Contexts["host"] = &clientcmdapi.Context{Cluster: "host", AuthInfo: "me"}
	config.CurrentContext = "host"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	options = genericoptions.NewDelegatingAuthorizationOptions()
	options.RemoteKubeConfigFile = file
	return options, reviews
}

// applies asks about the updates of distinct objects, by some accounts, each after the other.
func applies(t testing.TB, a authorizer.Authorizer, role string, accounts, objects int) {
	done := make(chan struct{})
	for account := range accounts {
		go func() {
			defer func() { done <- struct{}{} }()
			for object := range objects {
				attributes := authorizer.AttributesRecord{User: proxied{&user.DefaultInfo{Name: fmt.Sprintf("%s-%d", role, account)}}, Verb: "update",
					Namespace: "shop", APIGroup: "kafka.openshift.io", Resource: "kafkatopics", Name: fmt.Sprintf("topic-%d", object), ResourceRequest: true}
				if decision, _, err := a.Authorize(about(t, attributes), attributes); decision != authorizer.DecisionAllow || err != nil {
					t.Errorf("%v, %v", decision, err)
				}
			}
		}()
	}
	for range accounts {
		<-done
	}
}

// Forty accounts that apply five hundred objects each are forty questions.
func TestThousandsOfObjectsAreNotThousandsOfReviews(t *testing.T) {
	options, reviews := host(t)
	// Answers are kept for ten seconds, and a slow machine may take longer.
	options.AllowCacheTTL = time.Hour
	a, err := delegated(options)
	if err != nil {
		t.Fatal(err)
	}
	applies(t, byNamespace{a}, "all", 40, 500)
	if n := reviews.Load(); n != 40 {
		t.Errorf("%d reviews", n)
	}
}

// BenchmarkApplies is how many applies a second the questions to the host let through: by a role for all objects of a namespace, and by
// one that names objects.
func BenchmarkApplies(b *testing.B) {
	for _, role := range []string{"all", "names"} {
		b.Run(role, func(b *testing.B) {
			options, reviews := host(b)
			delegate, err := delegated(options)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				applies(b, byNamespace{delegate}, role, 40, 500)
			}
			b.ReportMetric(float64(b.N)*40*500/b.Elapsed().Seconds(), "applies/s")
			b.ReportMetric(float64(reviews.Load())/float64(b.N), "reviews/op")
		})
	}
}
