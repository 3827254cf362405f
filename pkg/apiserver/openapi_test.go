package apiserver_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
)

// served reads a document of the test server.
func served[T any](t *testing.T, at string) *T {
	t.Helper()
	raw, err := server.Client.Discovery().RESTClient().Get().AbsPath(at).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	document := new(T)
	if err := json.Unmarshal(raw, document); err != nil {
		t.Fatal(err)
	}
	return document
}

func openAPIV2(t *testing.T) *spec.Swagger {
	t.Helper()
	return served[spec.Swagger](t, "/openapi/v2")
}

func openAPIV3(t *testing.T) *spec3.OpenAPI {
	t.Helper()
	return served[spec3.OpenAPI](t, "/openapi/v3/apis/kafka.openshift.io/v1beta1")
}

// Generated clients and gateways know from the documents what can come back.
func TestOpenAPITellsRefusals(t *testing.T) {
	t.Parallel()
	v3, v2 := openAPIV3(t), openAPIV2(t)
	const topics = "/apis/kafka.openshift.io/v1beta1/namespaces/{namespace}/kafkatopics"
	read := []int{200, 400, 401, 403, 404, 410, 429, 503, 504}
	write := func(success ...int) []int {
		return append(success, 400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 504, 507)
	}
	for operation, want := range map[string][]int{
		"get " + topics:                        read,
		"post " + topics:                       write(200, 201, 202),
		"patch " + topics + "/{name}":          write(200, 201),
		"delete " + topics + "/{name}":         write(200, 202),
		"put " + topics + "/{name}/partitions": write(200, 201),
		"get " + topics + "/{name}/log":        read,
	} {
		method, at, _ := strings.Cut(operation, " ")
		third := map[string]*spec3.Operation{}
		if p := v3.Paths.Paths[at]; p != nil {
			third = map[string]*spec3.Operation{"get": p.Get, "put": p.Put, "post": p.Post, "patch": p.Patch, "delete": p.Delete}
		}
		p := v2.Paths.Paths[at]
		second := map[string]*spec.Operation{"get": p.Get, "put": p.Put, "post": p.Post, "patch": p.Patch, "delete": p.Delete}
		if third[method] == nil || second[method] == nil {
			t.Errorf("the documents have no %s", operation)
			continue
		}
		if got := slices.Sorted(maps.Keys(third[method].Responses.StatusCodeResponses)); !slices.Equal(got, want) {
			t.Errorf("v3: %s answers %v, want %v", operation, got, want)
		}
		if got := slices.Sorted(maps.Keys(second[method].Responses.StatusCodeResponses)); !slices.Equal(got, want) {
			t.Errorf("v2: %s answers %v, want %v", operation, got, want)
		}
		if body := third[method].Responses.StatusCodeResponses[403].Content["application/json"]; body == nil || v3.Components.Schemas[path.Base(body.Schema.Ref.String())] == nil {
			t.Errorf("v3: the body of the 403 of %s is not described", operation)
		}
		body := second[method].Responses.StatusCodeResponses[403].Schema
		if body == nil {
			t.Errorf("v2: the 403 of %s has no body", operation)
		} else if _, described := v2.Definitions[path.Base(body.Ref.String())]; !described {
			t.Errorf("v2: the body of the 403 of %s is not described", operation)
		}
	}
	if _, told := v2.Paths.Paths["/version/"].Get.Responses.StatusCodeResponses[503]; told {
		t.Error("/version/ is said to ask brokers")
	}
}

// limitsOf are what a schema says of the values of a field, in words.
func limitsOf(t *testing.T, s spec.Schema) []string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		switch key {
		case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "pattern", "enum":
			value, err := json.Marshal(all[key])
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, key+"="+string(value))
		}
	}
	if s.Items != nil {
		for _, word := range limitsOf(t, *s.Items.Schema) {
			words = append(words, "each "+word)
		}
	}
	if s.AdditionalProperties != nil {
		for _, word := range limitsOf(t, *s.AdditionalProperties.Schema) {
			words = append(words, "each value "+word)
		}
	}
	return words
}

// Both documents say the same of each field. As everywhere in Kubernetes, defaults are in v3 only.
func TestOpenAPIVersionsAgreeOnFields(t *testing.T) {
	t.Parallel()
	v3, v2 := openAPIV3(t), openAPIV2(t)
	for model, fields := range apiserver.FieldBounds {
		for field := range fields {
			third, there := v3.Components.Schemas[model].Properties[field]
			if !there {
				t.Errorf("v3 has no %s of %s", field, model)
				continue
			}
			if got, want := limitsOf(t, v2.Definitions[model].Properties[field]), limitsOf(t, third); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%s of %s: v2 says %v, v3 says %v", field, model, got, want)
			}
		}
	}
}

func TestOpenAPITellsDefaults(t *testing.T) {
	t.Parallel()
	v3 := openAPIV3(t)
	for field, want := range map[string]any{
		"BrokersSpec.replicas": 3.0, "ControllersSpec.replicas": 3.0, "ZooKeeperSpec.replicas": 3.0, "StorageSpec.type": "PersistentClaim",
		"SecretKeyReference.key": "ca.crt", "UserSecretReference.passwordKey": "password", "KafkaTopicSpec.driftPolicy": "Revert",
		"KafkaTopicElectionSpec.type": "Preferred",
		// These depend on other fields, or on the brokers.
		"UserSecretReference.usernameKey": nil, "KafkaSpec.version": nil, "KafkaTopicSpec.partitions": nil,
	} {
		model, name, _ := strings.Cut(field, ".")
		s, there := v3.Components.Schemas["io.openshift.kafka.v1beta1."+model].Properties[name]
		if !there || s.Default != want {
			t.Errorf("%s defaults to %v, want %v", field, s.Default, want)
		}
	}
}
