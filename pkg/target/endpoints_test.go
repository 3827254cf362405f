package target

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	hostfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

var ofKafkas = Services{Labels: render.CommonLabels(), Cluster: render.LabelCluster, Names: render.Services}

var ourService = types.NamespacedName{Namespace: "kafka-system", Name: "kafka-apiserver"}

func slice(namespace, name string, labels map[string]string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	for _, address := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return s
}

// ofKafka are the labels of the slices of a Kafka's Service.
func ofKafka(cluster, service string) map[string]string {
	all := render.Labels(cluster, string(render.Broker))
	all[discoveryv1.LabelServiceName] = service
	return all
}

// service is a Service with cluster IPs.
func service(namespace, name string, labels map[string]string, clusterIPs ...string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: corev1.ServiceSpec{ClusterIP: clusterIPs[0], ClusterIPs: clusterIPs}}
}

// judged checks what is said of addresses: "" for nothing.
func judged(t *testing.T, a *Addresses, said map[string]string) {
	t.Helper()
	for ip, what := range said {
		err := a.Literal(t.Context(), ip)
		if what == "" && err != nil || what != "" && (err == nil || !strings.Contains(err.Error(), what)) {
			t.Errorf("%s: %v, want %q", ip, err, what)
		}
		if dialled := a.IP(t.Context(), netip.MustParseAddr(ip)); (dialled == nil) != (err == nil) {
			t.Errorf("%s: %v when it is dialled, %v before", ip, dialled, err)
		}
		if err != nil && (strings.Contains(err.Error(), "my-cluster") || strings.Contains(err.Error(), "lost")) {
			t.Errorf("%s: whose it is is not for everybody: %v", ip, err)
		}
		if unknown := what == "not known"; errors.Is(err, ErrUnknown) != unknown {
			t.Errorf("%s: unknown is %v: %v", ip, unknown, err)
		}
	}
}

// around are Addresses in a host with some slices, and with the external Kafka streams/theirs.
func around(t *testing.T, host *hostfake.Clientset, allow ...string) *Addresses {
	t.Helper()
	a, err := Places{Allow: allow}.Around(host, "https://192.0.2.1:6443", ourService, ofKafkas, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	a.KnowKafkas(func(_ context.Context, of types.NamespacedName) (bool, error) {
		if of.Namespace == "unreadable" {
			return false, errors.New("no etcd has my-cluster")
		}
		return of == types.NamespacedName{Namespace: "streams", Name: "theirs"}, nil
	})
	a.resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return a
}

func TestAddressesBehindServices(t *testing.T) {
	ofBrokers := ofKafka("my-cluster", "my-cluster-brokers")
	host := hostfake.NewClientset(
		slice("default", "kubernetes", map[string]string{discoveryv1.LabelServiceName: "kubernetes"}, "10.240.0.1", "2001:db8:0::1"),
		slice("kafka-system", "kafka-apiserver-x", map[string]string{discoveryv1.LabelServiceName: "kafka-apiserver"}, "10.244.0.4"),
		slice("streams", "my-cluster-brokers-x", ofBrokers, "10.244.0.9", "not.an.address"),
		// Services of the same names elsewhere, and those of others, are anybody's.
		slice("streams", "kubernetes", map[string]string{discoveryv1.LabelServiceName: "kubernetes"}, "10.244.1.1"),
		slice("streams", "other", map[string]string{discoveryv1.LabelServiceName: "other"}, "10.244.1.2"),
		slice("streams", "my-cluster-bootstrap-x", ofKafka("my-cluster", "my-cluster-bootstrap"), "10.244.0.11"),
		slice("streams", "my-cluster-controllers-x", ofKafka("my-cluster", "my-cluster-controllers"), "10.244.0.12"),
		slice("streams", "my-cluster-zookeeper-x", ofKafka("my-cluster", "my-cluster-zookeeper"), "10.244.0.13"),
		// Labels are anybody's who may label a Service: that of a cluster has a name that is the Kafka's to give of which its labels speak.
		slice("tenant", "evil", render.CommonLabels(), "203.0.113.1"),
		slice("streams", "evil", ofKafka("my-cluster", "evil"), "203.0.113.2"),
		slice("streams", "evil-of-none", ofKafka("", "-brokers"), "203.0.113.3"),
		slice("streams", "evil-of-another", ofKafka("other", "my-cluster-brokers"), "203.0.113.4"),
		// An external Kafka has no pods. One that does not exist may have left some behind.
		slice("streams", "theirs-brokers-x", ofKafka("theirs", "theirs-brokers"), "203.0.113.5"),
		slice("streams", "lost-brokers-x", ofKafka("lost", "lost-brokers"), "10.244.0.14"),
		slice("tenant", "theirs-brokers-x", ofKafka("theirs", "theirs-brokers"), "10.244.0.15"),
		// What cannot be found out is not taken for what is not there.
		slice("unreadable", "my-cluster-brokers-x", ofKafka("my-cluster", "my-cluster-brokers"), "203.0.113.6"),
	)
	var mu sync.Mutex
	var selectors []string
	for _, resource := range []string{"services", "endpointslices"} {
		host.PrependReactor("list", resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			by := action.(clienttesting.ListAction).GetListRestrictions()
			selectors = append(selectors, strings.Join([]string{resource, action.GetNamespace(), by.Labels.String() + by.Fields.String()}, " "))
			return false, nil, nil
		})
	}
	a := around(t, host, "10.240.0.7")
	<-a.endpoints.known
	judged(t, a, map[string]string{
		"10.240.0.1": "API server", "::ffff:10.240.0.1": "API server", "64:ff9b::af0:1": "API server", "2001:db8::1": "API server",
		"10.244.0.4": "API server", "10.244.0.9": "run here", "10.244.1.1": "", "10.244.1.2": "", "10.240.0.2": "",
		"10.244.0.11": "run here", "10.244.0.12": "run here", "10.244.0.13": "run here",
		"10.244.0.14": "run here", "10.244.0.15": "run here",
		"203.0.113.1": "", "203.0.113.2": "", "203.0.113.3": "", "203.0.113.4": "", "203.0.113.5": "", "203.0.113.6": "not known",
	})
	// Of a host with a hundred thousand Services and slices these are listed, and nothing else.
	mu.Lock()
	slices.Sort(selectors)
	if want := []string{"endpointslices  app.kubernetes.io/managed-by=kafka-apiserver,app.kubernetes.io/name=kafka",
		"endpointslices default kubernetes.io/service-name=kubernetes", "endpointslices kafka-system kubernetes.io/service-name=kafka-apiserver",
		"services  app.kubernetes.io/managed-by=kafka-apiserver,app.kubernetes.io/name=kafka",
		"services default metadata.name=kubernetes", "services kafka-system metadata.name=kafka-apiserver"}; !slices.Equal(selectors, want) {
		t.Errorf("listed %q", selectors)
	}
	mu.Unlock()
	// What changes is followed: the pods of a Kafka come and go.
	if _, err := host.DiscoveryV1().EndpointSlices("streams").Update(t.Context(), slice("streams", "my-cluster-brokers-x", ofBrokers, "10.244.0.10"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := host.DiscoveryV1().EndpointSlices("default").Create(t.Context(), slice("default", "kubernetes-2", map[string]string{discoveryv1.LabelServiceName: "kubernetes"}, "10.240.0.7", "10.240.0.8"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	allowed := func(ip string) bool { return a.IP(t.Context(), netip.MustParseAddr(ip)) == nil }
	if err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		return allowed("10.244.0.9") && !allowed("10.244.0.10") && !allowed("10.240.0.8"), nil
	}); err != nil {
		t.Fatal(err)
	}
	if !allowed("10.240.0.7") {
		t.Error("what the administrator allows counts beside an API server too")
	}
}

// The Services themselves have addresses, too: nobody resolves a name for them.
func TestAddressesOfServices(t *testing.T) {
	bootstrap := ofKafka("my-cluster", "")
	// What others have it reached at may be all machines of the host.
	exposed := service("streams", "lost-bootstrap", ofKafka("lost", ""), "10.96.0.30")
	exposed.Spec.ExternalIPs = []string{"198.51.100.1"}
	exposed.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.2"}, {Hostname: "lb.example.com"}}
	host := hostfake.NewClientset(
		service("default", "kubernetes", nil, "10.96.0.1", "2001:db8:0::1"),
		service("kafka-system", "kafka-apiserver", nil, "10.96.0.2"),
		service("streams", "my-cluster-bootstrap", bootstrap, "10.96.0.21", "2001:db8::21"),
		service("streams", "my-cluster-brokers", bootstrap, corev1.ClusterIPNone),
		exposed,
		// Those of others are anybody's, whatever they are called and however they are labelled.
		service("streams", "kubernetes", nil, "10.96.1.1"),
		service("streams", "other", nil, "10.96.1.2"),
		service("streams", "evil", ofKafka("my-cluster", ""), "10.96.1.3"),
		service("streams", "-bootstrap", ofKafka("", ""), "10.96.1.4"),
		service("streams", "another-bootstrap", bootstrap, "10.96.1.5"),
		service("streams", "theirs-bootstrap", ofKafka("theirs", ""), "10.96.1.6"),
		service("unreadable", "my-cluster-bootstrap", bootstrap, "10.96.1.7"),
	)
	a := around(t, host)
	<-a.endpoints.known
	judged(t, a, map[string]string{
		"10.96.0.1": "API server", "::ffff:10.96.0.1": "API server", "64:ff9b::a60:1": "API server", "2001:db8::1": "API server", "10.96.0.2": "API server",
		"10.96.0.21": "run here", "2001:db8::21": "run here", "10.96.0.30": "run here", "198.51.100.1": "", "198.51.100.2": "",
		"10.96.1.1": "", "10.96.1.2": "", "10.96.1.3": "", "10.96.1.4": "", "10.96.1.5": "", "10.96.1.6": "", "10.96.1.7": "not known",
	})
	for _, name := range []string{"kubernetes.default.svc", "Kafka-apiserver.kafka-system.svc."} {
		if err := a.Literal(t.Context(), name); !errors.Is(err, errServer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What changes is followed.
	if _, err := host.CoreV1().Services("streams").Update(t.Context(), service("streams", "my-cluster-bootstrap", bootstrap, "10.96.0.22"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	allowed := func(ip string) bool { return a.IP(t.Context(), netip.MustParseAddr(ip)) == nil }
	if err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		return allowed("10.96.0.21") && !allowed("10.96.0.22"), nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A guard that does not know yet what it guards lets nobody pass, except where it has nothing to say.
func TestNothingIsDialledBeforeTheEndpointsAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nobody runs them.
		a, err := Places{Allow: []string{"10.1.0.0/16"}}.Around(hostfake.NewClientset(), "", ourService, ofKafkas, clock.RealClock{})
		if err != nil {
			t.Fatal(err)
		}
		a.reserved = nil
		if err := a.Literal(t.Context(), "10.2.0.1"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "services and on endpointslices") {
			t.Errorf("got %v", err)
		}
		if err := a.Literal(t.Context(), "10.1.0.1"); err != nil {
			t.Errorf("what is allowed: %v", err)
		}
		if err := a.Literal(t.Context(), "127.0.0.1"); err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("what is reserved in every host: %v", err)
		}
	})
}
