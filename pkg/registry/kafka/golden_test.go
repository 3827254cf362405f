package kafka_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
)

// What is stored by one release is what the next one finds. The objects in testdata/stored are never changed, only added to: whatever
// later rules say of their specs, they can be labelled, finalized, reported on, written back as they were read, and deleted.
func TestStoredObjectsOfEarlierReleasesStayUpdatable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "stored", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		resource, _, _ := strings.Cut(filepath.Base(file), ".")
		t.Run(filepath.Base(file), func(t *testing.T) { stayUpdatable(t, resource, raw) })
		if resource == "kafkas" {
			// Versions leave the table, and settings come under the cluster's own management.
			for was, is := range map[string]string{`"version": "`: `"version": "0.`, `"config": {`: `"config": {"node.id": "7", `, `"bootstrapServers": [`: `"bootstrapServers": ["no port", `} {
				if changed := strings.Replace(string(raw), was, is, 1); changed != string(raw) {
					t.Run(filepath.Base(file)+" with "+is, func(t *testing.T) { stayUpdatable(t, resource, []byte(changed)) })
				}
			}
		}
	}
}

func stayUpdatable(t *testing.T, resource string, raw []byte) {
	t.Helper()
	stored := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, stored); err != nil {
		t.Fatal(err)
	}
	namespace, name := server.Namespace(), stored.GetName()
	stored.SetNamespace(namespace)
	if raw, err := stored.MarshalJSON(); err != nil {
		t.Fatal(err)
	} else if _, err := server.Etcd.Put(t.Context(), strings.Join([]string{apiserver.EtcdPrefix, v1beta1.GroupName, resource, namespace, name}, "/"), string(raw)); err != nil {
		t.Fatal(err)
	}
	client := server.Client.KafkaV1beta1().RESTClient()
	at := func(request *rest.Request) *rest.Request {
		return request.Namespace(namespace).Resource(resource).Name(name).Param("fieldValidation", "Strict")
	}
	do := func(what string, request *rest.Request) []byte {
		raw, err := request.DoRaw(t.Context())
		if err != nil {
			t.Errorf("%s: %v: %s", what, err, raw)
		}
		return raw
	}
	do("a label", at(client.Patch(types.MergePatchType)).Body([]byte(`{"metadata":{"labels":{"a":"b"}}}`)))
	do("a finalizer", at(client.Patch(types.JSONPatchType)).Body([]byte(`[{"op":"add","path":"/metadata/finalizers","value":["example.com/f"]}]`)))
	read := do("a read", client.Get().Namespace(namespace).Resource(resource).Name(name))
	read = do("what was read", at(client.Put()).Body(read))
	do("the status that was read", at(client.Put()).SubResource("status").Body(read))
	do("a status", at(client.Patch(types.MergePatchType)).SubResource("status").Body([]byte(`{"status":{"observedGeneration":7}}`)))
	do("a delete", client.Delete().Namespace(namespace).Resource(resource).Name(name))
	do("the last finalizer", at(client.Patch(types.MergePatchType)).Body([]byte(`{"metadata":{"finalizers":null}}`)))
	if _, err := client.Get().Namespace(namespace).Resource(resource).Name(name).DoRaw(t.Context()); err == nil {
		t.Error("it is still there")
	}
}
