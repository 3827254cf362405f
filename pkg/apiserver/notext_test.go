package apiserver_test

import (
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A text that is no Unicode would be stored, or written to a topic, as another one: two keys as one. It is refused, however it comes.
func TestTextThatIsNoUnicodeIsRefused(t *testing.T) {
	t.Parallel()
	const records, topics, offsets, partitions = "kafkatopics/records", "kafkatopics", "kafkaconsumergroups/offsets", "kafkatopics/partitions"
	for _, tc := range []struct{ resource, way, body, says string }{
		{records, "POST", "{\"spec\":{\"records\":[{\"value\":\"a\"},{\"key\":\"id-\x80\",\"value\":\"a\"}]}}", "spec.records[1].key: "},
		{records, "POST", `{"spec":{"records":[{"value":"\ud800"}]}}`, "spec.records[0].value: "},
		{records, "POST", "{\"spec\":{\"records\":[{\"value\":\"a\",\"headers\":[{\"name\":\"\xff\"}]}]}}", "spec.records[0].headers[0].name: "},
		{records, "POST", `{"spec":{"records":[{"value":"` + strings.Repeat("x", 2<<20) + "\xff\"}]}}", "spec.records[0].value: "},
		{records, "POST of YAML", "spec: {records: [{value: a, key: !!binary gIE=}]}", "!!binary"},
		{topics, "POST", `{"metadata":{"name":"a"},"spec":{"clusterRef":{"name":"k"},"config":{"a` + "\x80" + `":"b"}}}`, "not UTF-8 at byte 71"},
		{topics, "PUT", `{"metadata":{"name":"a","annotations":{"a":"\udc00"}}}`, "half of a surrogate pair at byte 49"},
		{topics, "merge patch", "{\"spec\":{\"topicName\":\"\x80\"}}", "not UTF-8 at byte 22"},
		{topics, "strategic merge patch", "{\"spec\":{\"topicName\":\"\x80\"}}", "not UTF-8 at byte 22"},
		{topics, "JSON patch", "[{\"op\":\"replace\",\"path\":\"/spec/topicName\",\"value\":\"\x80\"}]", "not UTF-8 at byte 51"},
		{topics, "apply", "metadata: {name: k.x, annotations: {a: !!binary gIE=}}", "!!binary"},
		{partitions, "merge patch with parameters", "{\"metadata\":{\"resourceVersion\":\"\x80\"}}", "metadata.resourceVersion: "},
		{offsets, "merge patch", "{\"spec\":{\"reset\":[{\"topic\":\"\x80\",\"to\":\"latest\"}]}}", "spec.reset[0].topic: "},
	} {
		way := bodyOrders[tc.way]
		err := sendBody(t, way.verb, way.contentType, tc.resource, tc.body)
		status, ok := err.(apierrors.APIStatus)
		if !ok || status.Status().Code != http.StatusBadRequest || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "keyBase64 and valueBase64") {
			t.Errorf("%s of %s: %v, want a 400 with %q", tc.way, tc.resource, err, tc.says)
		}
	}
}
