package kafka_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/rest"
)

// Whose a cluster is may be told to who may get that Kafka. The status of another one is read by others, in whatever way.
func TestAStatusDoesNotNameWhoseTheClusterIs(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1, kfake.ClusterID("whose-cluster"))
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	namespace := server.Namespace()
	tenant, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "own" && a.GetNamespace() == namespace })
	theirs := at(t, tenant, namespace, fake)
	watch, err := tenant.KafkaV1beta1().Kafkas(namespace).Watch(t.Context(), metav1.ListOptions{ResourceVersion: theirs.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	expectWrong(t, report(t, theirs, ""), "ClusterClaimed", "another Kafka")

	client := tenant.KafkaV1beta1().RESTClient()
	answer := func(request *rest.Request) string {
		t.Helper()
		raw, err := request.DoRaw(t.Context())
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return string(raw)
	}
	of := func(verb string) *rest.Request { return client.Verb(verb).Namespace(namespace).Resource("kafkas") }
	const table = "application/json;as=Table;v=v1;g=meta.k8s.io"
	const status = `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Mine","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`
	event, err := json.Marshal((<-watch.ResultChan()).Object)
	if err != nil {
		t.Fatal(err)
	}
	for way, text := range map[string]string{
		"get":              answer(of("GET").Name(theirs.Name)),
		"get as a table":   answer(of("GET").Name(theirs.Name).SetHeader("Accept", table)),
		"list":             answer(of("GET")),
		"list as a table":  answer(of("GET").SetHeader("Accept", table)),
		"watch":            string(event),
		"patch":            answer(client.Patch(types.MergePatchType).Namespace(namespace).Resource("kafkas").Name(theirs.Name).Body([]byte(`{"metadata":{"labels":{"a":"b"}}}`))),
		"patch the status": answer(client.Patch(types.MergePatchType).Namespace(namespace).Resource("kafkas").Name(theirs.Name).SubResource("status").Body([]byte(status))),
	} {
		if !strings.Contains(text, "another Kafka") {
			t.Errorf("%s does not say that it is another's: %s", way, text)
		}
		if regexp.MustCompile(`\b` + fake.Object.Namespace + `\b`).MatchString(text) {
			t.Errorf("%s names whose it is: %s", way, text)
		}
	}
	// Nor does an answer about its brokers, except to who may get the first.
	_, err = tenant.KafkaV1beta1().Kafkas(namespace).GetBrokers(t.Context(), theirs.Name, metav1.GetOptions{})
	expectStatus(t, err, 403, "another Kafka")
	expectStatus(t, look(t, theirs), 403, fake.Object.Namespace+"/k")
}
