package apiserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// bodyWays are how an object comes, or a part of one.
var bodyWays = map[string]struct {
	verb, contentType string
	body              func(t *testing.T, whole, pointer, value string) string
}{
	"POST":                  {http.MethodPost, "application/json", wholeBody},
	"POST of YAML":          {http.MethodPost, "application/yaml", yamlBody},
	"PUT":                   {http.MethodPut, "application/json", wholeBody},
	"merge patch":           {http.MethodPatch, string(types.MergePatchType), wholeBody},
	"strategic merge patch": {http.MethodPatch, string(types.StrategicMergePatchType), wholeBody},
	"apply":                 {http.MethodPatch, string(types.ApplyYAMLPatchType), yamlBody},
	"JSON patch": {http.MethodPatch, string(types.JSONPatchType), func(_ *testing.T, _, pointer, value string) string {
		return fmt.Sprintf(`[{"op":"replace","path":%q,"value":%s}]`, pointer, value)
	}},
}

func wholeBody(_ *testing.T, whole, _, _ string) string { return whole }

func yamlBody(t *testing.T, whole, _, value string) string {
	t.Helper()
	if value == "3.0" {
		// JSON is YAML, which JSONToYAML would write without the point.
		return "# YAML\n" + whole
	}
	text, err := yaml.JSONToYAML([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sendBody(t *testing.T, verb, contentType, resource, body string) error {
	t.Helper()
	resource, subresource, _ := strings.Cut(resource, "/")
	request := server.Client.KafkaV1beta1().RESTClient().Verb(verb).Namespace("shapes").Resource(resource).SetHeader("Content-Type", contentType).Body([]byte(body))
	if verb != http.MethodPost || subresource != "" {
		request = request.Name("k.x").SubResource(subresource)
	}
	if strings.Contains(contentType, "apply") {
		request = request.Param("fieldManager", "test")
	}
	return request.Do(t.Context()).Error()
}

// A value that is none of its field's is refused with the field and with what would be accepted, whichever way it comes.
func TestValuesThatAreNoneOfTheirFields(t *testing.T) {
	t.Parallel()
	const all, stored, created = "POST, POST of YAML, PUT, merge patch, strategic merge patch, apply, JSON patch",
		"PUT, merge patch, strategic merge patch, apply, JSON patch", "POST, POST of YAML"
	for _, tc := range []struct {
		resource, kind, ways string
		// part is around the value, which is %s.
		part, pointer, value string
		field, accepted      string
	}{
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"storage":{"size":%s}}}`, "/spec/brokers/storage/size", `"12 apples"`, "spec.brokers.storage.size", "a quantity, such as"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"storage":{"size":%s}}}`, "/spec/brokers/storage/size", `[]`, "spec.brokers.storage.size", "a quantity, such as"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"storage":%s}}`, "/spec/brokers/storage", `{"size":{}}`, "spec.brokers.storage.size", "a quantity, such as"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"resources":{"limits":{"memory":%s}}}}`, "/spec/brokers/resources/limits/memory", `"lots"`, "spec.brokers.resources.limits[memory]", "a quantity, such as"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"replicas":%s}}`, "/spec/brokers/replicas", `"three"`, "spec.brokers.replicas", "a whole number of 32 bits"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"replicas":%s}}`, "/spec/brokers/replicas", `5000000000`, "spec.brokers.replicas", "a whole number of 32 bits"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":{"replicas":%s}}`, "/spec/brokers/replicas", `3.0`, "spec.brokers.replicas", "a whole number of 32 bits, without a point"},
		{"kafkas", "Kafka", "POST, PUT, merge patch, strategic merge patch, JSON patch", `"spec":{"brokers":{"replicas":%s}}`, "/spec/brokers/replicas", `3e0`, "spec.brokers.replicas", "a whole number of 32 bits, without a point"},
		{"kafkatopics", "KafkaTopic", all, `"spec":{"partitions":%s}`, "/spec/partitions", `3.0`, "spec.partitions", "a whole number of 32 bits, without a point"},
		{"kafkatopics/scale", "Scale", "PUT, merge patch, strategic merge patch, JSON patch", `"spec":{"replicas":%s}`, "/spec/replicas", `5.0`, "spec.replicas", "a whole number of 32 bits, without a point"},
		{"kafkas", "Kafka", all, `"spec":{"brokers":%s}`, "/spec/brokers", `[]`, "spec.brokers", "an object"},
		{"kafkas", "Kafka", all, `"spec":{"external":{"bootstrapServers":%s}}`, "/spec/external/bootstrapServers", `"a:1"`, "spec.external.bootstrapServers", "a list"},
		{"kafkas", "Kafka", all, `"spec":{"external":{"bootstrapServers":["a:1",%s]}}`, "/spec/external/bootstrapServers/1", `9092`, "spec.external.bootstrapServers[1]", "a string in quotes"},
		{"kafkas/status", "Kafka", stored, `"status":{"conditions":[{"type":"Ready","lastTransitionTime":%s}]}`, "/status/conditions/0/lastTransitionTime", `"now"`, "status.conditions[0].lastTransitionTime", "a time as RFC 3339"},
		{"kafkas/status", "Kafka", stored, `"status":{"formed":%s}`, "/status/formed", `"yes"`, "status.formed", "true or false"},
		{"kafkatopics", "KafkaTopic", all, `"spec":{"config":{"retention.ms":%s}}`, "/spec/config/retention.ms", `5`, "spec.config[retention.ms]", "a string in quotes"},
		{"kafkatopics", "KafkaTopic", all, `"metadata":{"labels":{"example.com/a":%s}}`, "/metadata/labels/example.com~1a", `true`, "metadata.labels[example.com/a]", "a string in quotes"},
		{"kafkatopics/scale", "Scale", "PUT, merge patch, strategic merge patch, JSON patch", `"spec":{"replicas":%s}`, "/spec/replicas", `"three"`, "spec.replicas", "a whole number of 32 bits"},
		{"kafkatopics/truncate", "KafkaTopicTruncation", created, `"spec":{"beforeTime":%s}`, "", `5`, "spec.beforeTime", "a time as RFC 3339"},
		{"kafkatopics/truncate", "KafkaTopicTruncation", created, `"spec":{"beforeTime":%s}`, "", `"yesterday"`, "spec.beforeTime", "a time as RFC 3339"},
		{"kafkatopics/records", "KafkaTopicRecords", created, `"spec":{"records":[{"value":"a"},{"value":%s}]}`, "", `5`, "spec.records[1].value", "a string in quotes"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", stored, `"spec":{"reset":[{"topic":"a","time":%s}]}`, "/spec/reset/0/time", `5`, "spec.reset[0].time", "a time in quotes as RFC 3339 has it, such as \"2026-"},
		{"kafkatopics/records", "KafkaTopicRecords", created, `"spec":{"records":[{"timestamp":%s}]}`, "", `5`, "spec.records[0].timestamp", "a time in quotes as RFC 3339 has it, such as \"2026-"},
	} {
		version := "kafka.openshift.io/v1beta1"
		if tc.kind == "Scale" {
			version = "autoscaling/v1"
		}
		whole := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,%s}`, version, tc.kind, fmt.Sprintf(tc.part, tc.value))
		for name := range strings.SplitSeq(tc.ways, ", ") {
			way := bodyWays[name]
			t.Run(fmt.Sprintf("%s %s %s/%s", tc.resource, tc.field, tc.value, name), func(t *testing.T) {
				t.Parallel()
				err := sendBody(t, way.verb, way.contentType, tc.resource, way.body(t, whole, tc.pointer, tc.value))
				status, ok := err.(apierrors.APIStatus)
				if !ok || status.Status().Code != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), tc.kind) || !strings.Contains(err.Error(), "must be "+tc.accepted) {
					t.Fatalf("got %v", err)
				}
				if causes := status.Status().Details.Causes; len(causes) != 1 || causes[0].Field != tc.field || causes[0].Type != "FieldValueTypeInvalid" {
					t.Errorf("the causes are %+v", causes)
				}
			})
		}
	}
}
