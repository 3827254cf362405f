package kafka_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apistorage "k8s.io/apiserver/pkg/storage"
	hostfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// restricted are the Kafkas in the namespace streams of a server of its own, which keeps external ones to some addresses.
type restricted struct{ typed.KafkaInterface }

func restrict(t *testing.T, addresses *target.Addresses, objects func(apistorage.Interface) apistorage.Interface) restricted {
	t.Helper()
	server, err := apiservertest.Start(apiservertest.Options{Addresses: addresses, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return restricted{server.Client.KafkaV1beta1().Kafkas("streams")}
}

// restrictTo is restrict to some places, with one Kafka that is run here.
func restrictTo(t *testing.T, places target.Places, objects func(apistorage.Interface) apistorage.Interface) restricted {
	t.Helper()
	addresses, err := target.NewAddresses(places, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	kafkas := restrict(t, addresses, objects)
	if _, err := kafkas.Create(t.Context(), newKafka("streams"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return kafkas
}

// at creates an external Kafka with a name that no other has.
func (r restricted) at(t *testing.T, servers ...string) (*v1beta1.Kafka, error) {
	t.Helper()
	k := externalKafka("streams", func(e *v1beta1.ExternalSpec) { e.BootstrapServers = servers })
	k.Name, k.GenerateName = "", "theirs-"
	return r.Create(t.Context(), k, metav1.CreateOptions{})
}

func TestWhereExternalKafkasMayBe(t *testing.T) {
	t.Parallel()
	kafkas := restrictTo(t, target.Places{Allow: []string{"169.254.7.7", "run-here-bootstrap.other"}, Reserved: []string{"api.example.com"}}, nil)
	for server, why := range map[string]string{
		"127.0.0.1:9092": "loopback", "[::1]:9092": "loopback", "[::ffff:127.0.0.1]:9092": "loopback", "localhost:9092": "loopback",
		"169.254.169.254:80": "metadata", "[fe80::1]:9092": "link-local", "224.0.0.1:1": "multicast", "0.0.0.0:9092": "this host",
		"api.example.com:6443":                                        "API server",
		"my-cluster-bootstrap.streams.svc:9092":                       "streams/my-cluster",
		"my-cluster-bootstrap.streams:9092":                           "streams/my-cluster",
		"my-cluster-bootstrap.streams.svc.cluster.local:9092":         "streams/my-cluster",
		"my-cluster-kafka-0.my-cluster-brokers.streams.svc:9092":      "streams/my-cluster",
		"my-cluster-controller-0.my-cluster-controllers.streams:9093": "streams/my-cluster",
	} {
		_, err := kafkas.at(t, "kafka.example.com:9092", server)
		expectStatus(t, err, 422, "spec.external.bootstrapServers[1]", why)
	}
	k, err := kafkas.at(t, "kafka.example.com:9092", "10.0.0.1:9092", "169.254.7.7:9092", "my-cluster-bootstrap.other.svc:9092", "run-here-bootstrap.streams.svc:9092")
	if err != nil {
		t.Fatal(err)
	}
	// Every way to change it is judged, and what is stored already is no news.
	for kind, patch := range map[types.PatchType]string{
		types.MergePatchType: `{"spec":{"external":{"bootstrapServers":["127.0.0.1:9092"]}}}`,
		types.JSONPatchType:  `[{"op":"replace","path":"/spec/external/bootstrapServers/0","value":"127.0.0.1:9092"}]`,
	} {
		_, err := kafkas.Patch(t.Context(), k.Name, kind, []byte(patch), metav1.PatchOptions{})
		expectStatus(t, err, 422, "spec.external.bootstrapServers[0]", "loopback", "--allow-external-addresses")
	}
	_, err = kafkas.Patch(t.Context(), "applied", types.ApplyPatchType, []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":"applied"},"spec":{"external":{"bootstrapServers":["127.0.0.1:9092"]}}}`),
		metav1.PatchOptions{FieldManager: "test"})
	expectStatus(t, err, 422, "spec.external.bootstrapServers[0]", "loopback")
	if _, err := kafkas.Patch(t.Context(), k.Name, types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}

// forgetful is a storage whose cache knows nothing yet, and which cannot read the objects of one namespace.
type forgetful struct{ apistorage.Interface }

func (f forgetful) Get(ctx context.Context, key string, options apistorage.GetOptions, into runtime.Object) error {
	switch {
	case options.ResourceVersion == "0":
		return apistorage.NewKeyNotFoundError(key, 0)
	case strings.Contains(key, "/unreadable/"):
		return apistorage.NewInternalError(errors.New("the disk is gone"))
	}
	return f.Interface.Get(ctx, key, options, into)
}

func forget(objects apistorage.Interface) apistorage.Interface { return forgetful{objects} }

// What a cache does not know is not taken for what is not there, nor what cannot be read.
func TestAKafkaThatNoCacheKnowsIsRunHere(t *testing.T) {
	t.Parallel()
	kafkas := restrictTo(t, target.Places{Allow: []string{"my-cluster-brokers.unreadable"}}, forget)
	create := func(server string) error {
		_, err := kafkas.at(t, server)
		return err
	}
	expectStatus(t, create("my-cluster-bootstrap.streams.svc:9092"), 422, "spec.external.bootstrapServers[0]", "streams/my-cluster")
	if err := create("my-cluster-bootstrap.elsewhere.svc:9092"); err != nil {
		t.Errorf("a Kafka that does not exist: %v", err)
	}
	expectStatus(t, create("my-cluster-bootstrap.unreadable.svc:9092"), 500, "the disk is gone")
	if err := create("my-cluster-brokers.unreadable:9092"); err != nil {
		t.Errorf("a host that is allowed, for which nothing is read: %v", err)
	}
}

// The Services of API servers and of Kafkas that are run here have addresses, and so has what is behind them. They are refused on every way.
func TestExternalKafkasAreNotBehindServices(t *testing.T) {
	t.Parallel()
	slice := func(namespace, name, address string, labels map[string]string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}}}
	}
	service := func(namespace, name string, labels map[string]string, clusterIPs ...string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
			Spec: corev1.ServiceSpec{ClusterIP: clusterIPs[0], ClusterIPs: clusterIPs}}
	}
	labelled := func(cluster, service string) map[string]string {
		all := render.Labels(cluster, string(render.Broker))
		all[discoveryv1.LabelServiceName] = service
		return all
	}
	host := hostfake.NewClientset(
		slice("default", "kubernetes", "10.240.0.1", map[string]string{discoveryv1.LabelServiceName: "kubernetes"}),
		slice("kafka-system", "kafka-apiserver-x", "10.244.0.4", map[string]string{discoveryv1.LabelServiceName: "kafka-apiserver"}),
		slice("streams", "my-cluster-brokers-x", "10.244.0.9", labelled("my-cluster", "my-cluster-brokers")),
		slice("streams", "lost-brokers-x", "10.244.0.7", labelled("lost", "lost-brokers")),
		slice("unreadable", "my-cluster-brokers-x", "10.244.0.6", labelled("my-cluster", "my-cluster-brokers")),
		slice("streams", "theirs-brokers-x", "203.0.113.8", labelled(externalKafka("streams").Name, externalKafka("streams").Name+"-brokers")),
		slice("streams", "evil", "203.0.113.9", labelled("my-cluster", "evil")),
		service("default", "kubernetes", nil, "10.96.0.1"), service("kafka-system", "kafka-apiserver", nil, "10.96.0.4"),
		service("streams", "my-cluster-bootstrap", render.Labels("my-cluster", string(render.Broker)), "10.96.0.9", "2001:db8::9"),
		service("streams", "lost-bootstrap", render.Labels("lost", string(render.Broker)), "10.96.0.7"),
		service("streams", "evil", render.Labels("my-cluster", string(render.Broker)), "203.0.113.10"))
	allowed, err := target.Places{}.Around(host, "", types.NamespacedName{Namespace: "kafka-system", Name: "kafka-apiserver"},
		target.Services{Labels: render.CommonLabels(), Cluster: render.LabelCluster, Names: render.Services}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	kafkas := restrict(t, allowed, forget)
	create := func(server string) error {
		_, err := kafkas.Create(t.Context(), externalKafka("streams", func(e *v1beta1.ExternalSpec) { e.BootstrapServers = []string{server} }), metav1.CreateOptions{})
		return err
	}
	try := func(server string) error {
		_, err := kafkas.Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{GenerateName: "theirs-"},
			Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{server}}}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	// It is not known yet.
	expectStatus(t, create("10.0.0.1:9092"), 503, "endpointslices")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { allowed.Run(ctx) })
	defer running.Wait()
	defer cancel()
	apiservertest.Eventually(t, "the endpoints are known", func() bool { return create("10.0.0.1:9092") == nil })
	if _, err := kafkas.Create(t.Context(), newKafka("streams"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// What an external Kafka is called, and the labels of a Service with another name than a Kafka's, deny nothing.
	for _, server := range []string{"203.0.113.8:9091", "203.0.113.9:9091", "203.0.113.10:9092"} {
		if err := try(server); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
	// What cannot be read may be external or not.
	expectStatus(t, try("10.244.0.6:9091"), 503, "cannot be found out")
	// The Kafka streams/lost does not exist. Its cluster is kept, and is nobody else's.
	for server, why := range map[string]string{"10.240.0.1:6443": "API server", "[::ffff:10.240.0.1]:6443": "API server", "10.240.0.1:2379": "API server",
		"10.244.0.4:6443": "API server", "10.244.0.9:9091": "run here", "10.244.0.7:9091": "run here",
		"10.96.0.1:443": "API server", "10.96.0.4:443": "API server",
		"10.96.0.9:9092": "run here", "[::ffff:10.96.0.9]:9092": "run here", "[2001:db8::9]:9092": "run here", "10.96.0.7:9092": "run here"} {
		expectStatus(t, try(server), 422, "spec.external.bootstrapServers[0]", why)
		for kind, patch := range map[types.PatchType]string{
			types.MergePatchType: `{"spec":{"external":{"bootstrapServers":["` + server + `"]}}}`,
			types.JSONPatchType:  `[{"op":"replace","path":"/spec/external/bootstrapServers/0","value":"` + server + `"}]`,
			types.ApplyPatchType: `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":"applied"},"spec":{"external":{"bootstrapServers":["` + server + `"]}}}`,
		} {
			name, options := externalKafka("streams").Name, metav1.PatchOptions{}
			if kind == types.ApplyPatchType {
				name, options.FieldManager = "applied", "test"
			}
			_, err := kafkas.Patch(t.Context(), name, kind, []byte(patch), options)
			expectStatus(t, err, 422, "spec.external.bootstrapServers[0]", why)
		}
	}
}
