package apiserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// A field that is left out of a request which changes positions or records means something, such as all partitions. A misspelt one is left out,
// so nothing is done by a body that has one, and by one that says a thing twice: however it comes, and whatever its client wants to be told.
func TestMisspeltFieldsOfOrders(t *testing.T) {
	t.Parallel()
	const created, updated = "POST, POST of YAML", "PUT, PUT of YAML, merge patch, strategic merge patch, apply"
	for _, tc := range []struct {
		resource, kind, ways string
		// body is what is beside kind and apiVersion.
		body, field, accepted string
	}{
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", updated, `"spec":{"reset":[{"topic":"orders","partition":[3],"to":"latest"}]}`,
			"spec.reset[0].partition", "accepted are offset, partitions, shift, time, to, topic"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", updated, `"spec":{"reset":[{"to":"latest"},{"Topic":"orders","to":"latest"}]}`,
			"spec.reset[1].Topic", "accepted are offset, partitions, shift, time, to, topic"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", updated, `"spec":{"resets":[]}`, "spec.resets", "accepted are reset"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", updated, `"metadata":{"resourceversion":"5"},"spec":{"reset":[{"to":"latest"}]}`,
			"metadata.resourceversion", "resourceVersion"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", updated, `"sepc":{"reset":[]}`, "sepc", "accepted are apiVersion, kind, metadata, spec, status"},
		{"kafkatopics/partitions", "KafkaTopicPartitions", updated, `"spec":{"partitions":[{"partition":0,"replica":[1]}]}`, "spec.partitions[0].replica", "replicas"},
		{"kafkatopics/elect", "KafkaTopicElection", created, `"spec":{"partition":[1]}`, "spec.partition", "accepted are partitions, type"},
		{"kafkatopics/elect", "KafkaTopicElection", created, `"spec":{"types":"Unclean"}`, "spec.types", "accepted are partitions, type"},
		{"kafkatopics/truncate", "KafkaTopicTruncation", created, `"spec":{"partition":[{"partition":1}],"beforeTime":"2026-01-31T12:00:00Z"}`,
			"spec.partition", "accepted are beforeTime, partitions"},
		{"kafkatopics/truncate", "KafkaTopicTruncation", created, `"spec":{"partitions":[{"partition":1,"beforeoffset":4}]}`,
			"spec.partitions[0].beforeoffset", "accepted are beforeOffset, partition"},
		{"kafkatopics/records", "KafkaTopicRecords", created, `"spec":{"records":[{"value":"a"},{"vlaue":"a","key":"b"}]}`, "spec.records[1].vlaue", "valueBase64"},
		{"kafkatopics/records", "KafkaTopicRecords", created, `"spec":{"records":[{"headers":[{"name":"a","val":"b"}]}]}`, "spec.records[0].headers[0].val", "accepted are name, value, valueBase64"},
	} {
		for way := range strings.SplitSeq(tc.ways, ", ") {
			whole := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":%q,%s}`, tc.kind, tc.body)
			expectRefusedFields(t, tc.resource, way, whole, tc.field, tc.accepted)
		}
	}
	const offsets = "kafkaconsumergroups/offsets"
	for body, field := range map[string]string{
		`[{"op":"add","path":"/spec/reset","value":[{"topic":"orders","partition":[3],"to":"latest"}]}]`:                                               "spec.reset[0].partition",
		`[{"op":"add","path":"/spec/reset","value":[{"to":"latest"}]},{"op":"add","path":"/spec/reset/0/partition","value":[3]}]`:                      "spec.reset[0].partition",
		`[{"op":"add","from":5,"path":"/spec/reset/-","value":{"topic":"orders","to":"latest","to":"earliest"}}]`:                                      "spec.reset[-].to",
		`[{"op":"add","path":"","value":{"spec":{"reset":[{"partition":[3]}]}}}]`:                                                                      "spec.reset[0].partition",
		`[{"op":"copy","from":"/status/partitions","path":"/spec/reset"}]`:                                                                             "spec.reset",
		`[{"op":"move","from":"/metadata/annotations","path":"/spec/reset/0"}]`:                                                                        "spec.reset[0]",
		`[{"op":"copy","from":"/spec/reset","path":"/spec/resets"}]`:                                                                                   "spec.resets",
		`[{"op":"replace","path":"/spec","value":{"reset":[{"topic":"orders","to":"latest"},{"topic":"pay","partit\u0069on":[1],"to":"latest"}]}}   ]`: "spec.reset[1].partition",
	} {
		expectRefusedFields(t, offsets, "JSON patch", body, field, "")
	}
	for _, way := range strings.Split("PUT, PUT of YAML, merge patch, strategic merge patch, apply", ", ") {
		body := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaConsumerGroupOffsets","spec":{"reset":[{"topic":"orders","to":"earliest","to":"latest"}]}}`
		field := "spec.reset[0].to"
		if strings.Contains(bodyOrders[way].contentType, "yaml") {
			field = "to"
		}
		expectRefusedFields(t, offsets, way, body, field, "it is given more than once")
	}
	// A body may be larger than any object that is stored.
	records := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicRecords","spec":{"records":[{"value":"` + strings.Repeat("x", 2<<20) + `"},{"value":"a","partion":1}]}}`
	expectRefusedFields(t, "kafkatopics/records", "POST", records, "spec.records[1].partion", "partition")
	// A directive is none of JSON's own merge patches, and parameters of a type change nothing.
	expectRefusedFields(t, offsets, "merge patch", `{"spec":{"$patch":"replace"}}`, "spec.$patch", "accepted are reset")
	expectRefusedFields(t, offsets, "merge patch with parameters", `{"spec":{"resets":[]}}`, "spec.resets", "accepted are reset")
	// What is merged by YAML itself is there, too.
	expectRefusedFields(t, offsets, "apply as it is", "spec: {reset: [{<<: {partition: [3]}, to: latest}]}", "spec.reset[0].partition", "accepted are")
}

// A field that says what an order is about is left out for all. One that is empty, as by a variable that is not set, is not taken for that.
func TestOrdersAboutNothingAreNotAboutAll(t *testing.T) {
	t.Parallel()
	const empty = "it is empty, which would mean all"
	for _, tc := range []struct{ resource, kind, ways, body, field string }{
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", "PUT, PUT of YAML, merge patch, apply", `"spec":{"reset":[{"topic":"","to":"latest"}]}`, "spec.reset[0].topic"},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", "PUT, merge patch, apply", `"spec":{"reset":[{"topic":"a","partitions":[],"to":"latest"}]}`, "spec.reset[0].partitions"},
		{"kafkatopics/elect", "KafkaTopicElection", "POST, POST of YAML", `"spec":{"partitions":[]}`, "spec.partitions"},
		{"kafkatopics/truncate", "KafkaTopicTruncation", "POST, POST of YAML", `"spec":{"partitions":[],"beforeTime":"2026-01-31T12:00:00Z"}`, "spec.partitions"},
	} {
		for way := range strings.SplitSeq(tc.ways, ", ") {
			expectRefusedFields(t, tc.resource, way, fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":%q,%s}`, tc.kind, tc.body), tc.field, empty)
		}
	}
	for body, field := range map[string]string{
		`[{"op":"add","path":"/spec/reset","value":[{"topic":"","to":"latest"}]}]`: "spec.reset[0].topic",
		`[{"op":"replace","path":"/spec/reset/0/topic","value":""}]`:               "spec.reset[0].topic",
		`[{"op":"replace","path":"/spec/reset/0/partitions","value":[]}]`:          "spec.reset[0].partitions",
	} {
		expectRefusedFields(t, "kafkaconsumergroups/offsets", "JSON patch", body, field, empty)
	}
}

// bodyOrders are how an order comes.
var bodyOrders = map[string]struct {
	verb, contentType string
}{
	"POST":                        {http.MethodPost, "application/json"},
	"POST of YAML":                {http.MethodPost, "application/yaml"},
	"PUT":                         {http.MethodPut, "application/json"},
	"PUT of YAML":                 {http.MethodPut, "application/yaml"},
	"merge patch":                 {http.MethodPatch, string(types.MergePatchType)},
	"merge patch with parameters": {http.MethodPatch, string(types.MergePatchType) + "; ;;="},
	"strategic merge patch":       {http.MethodPatch, string(types.StrategicMergePatchType)},
	"JSON patch":                  {http.MethodPatch, string(types.JSONPatchType)},
	"apply":                       {http.MethodPatch, string(types.ApplyYAMLPatchType)},
	"apply as it is":              {http.MethodPatch, string(types.ApplyYAMLPatchType)},
}

func expectRefusedFields(t *testing.T, resource, name, body, field, accepted string) {
	t.Helper()
	way := bodyOrders[name]
	for _, validation := range []string{"", "Ignore", "Warn", "Strict"} {
		t.Run(fmt.Sprintf("%s %s %s %s", resource, field, name, validation), func(t *testing.T) {
			t.Parallel()
			of, subresource, _ := strings.Cut(resource, "/")
			request := server.Client.KafkaV1beta1().RESTClient().Verb(way.verb).Namespace("exact").Resource(of).Name("k.x").SubResource(subresource).
				SetHeader("Content-Type", way.contentType).Body([]byte(body))
			if validation != "" {
				request = request.Param("fieldValidation", validation)
			}
			if strings.Contains(way.contentType, "apply") {
				request = request.Param("fieldManager", "test")
			}
			err := request.Do(t.Context()).Error()
			status, ok := err.(apierrors.APIStatus)
			if !ok || status.Status().Code != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), accepted) {
				t.Fatalf("got %v", err)
			}
			if causes := status.Status().Details.Causes; len(causes) != 1 || causes[0].Field != field || causes[0].Type != "FieldValueForbidden" {
				t.Errorf("the causes are %+v", causes)
			}
		})
	}
}
