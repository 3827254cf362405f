package kafka_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

func TestWhereExternalKafkasMayBe(t *testing.T) {
	t.Parallel()
	allowed, err := target.NewAddresses([]string{"169.254.7.7", "run-here-bootstrap.other"}, []string{"api.example.com"}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	restricted, err := apiservertest.Start(apiservertest.Options{Addresses: allowed})
	if err != nil {
		t.Fatal(err)
	}
	defer restricted.Close()
	kafkas := restricted.Client.KafkaV1beta1().Kafkas("streams")
	if _, err := kafkas.Create(t.Context(), newKafka("streams"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	create := func(servers ...string) (*v1beta1.Kafka, error) {
		k := externalKafka("streams", func(e *v1beta1.ExternalSpec) { e.BootstrapServers = servers })
		k.Name, k.GenerateName = "", "theirs-"
		return kafkas.Create(t.Context(), k, metav1.CreateOptions{})
	}
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
		_, err := create("kafka.example.com:9092", server)
		expectStatus(t, err, 422, "spec.external.bootstrapServers[1]", why)
	}
	k, err := create("kafka.example.com:9092", "10.0.0.1:9092", "169.254.7.7:9092", "my-cluster-bootstrap.other.svc:9092", "run-here-bootstrap.streams.svc:9092")
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
