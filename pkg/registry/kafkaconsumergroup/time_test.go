package kafkaconsumergroup_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// A time that is none is said of its field, with what would be accepted, whichever way it comes.
func TestATimeThatIsNone(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	client := server.Client.KafkaV1beta1().RESTClient()
	const reset = `{"topic":"orders","time":"yesterday"}`
	const object = `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaConsumerGroupOffsets","metadata":{"name":"k.billing"},"spec":{"reset":[` + reset + `]}}`
	for _, dryRun := range []string{"", "All"} {
		for kind, body := range map[types.PatchType]string{
			"":                            object,
			types.MergePatchType:          `{"spec":{"reset":[` + reset + `]}}`,
			types.StrategicMergePatchType: `{"spec":{"reset":[` + reset + `]}}`,
			types.JSONPatchType:           `[{"op":"add","path":"/spec/reset","value":[` + reset + `]}]`,
			types.ApplyPatchType:          object,
		} {
			request := client.Put().SetHeader("Content-Type", "application/json")
			if kind != "" {
				request = client.Patch(kind)
			}
			if kind == types.ApplyPatchType {
				request.Param("fieldManager", "test")
			}
			if dryRun != "" {
				request.Param("dryRun", dryRun)
			}
			err := request.Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Name("k.billing").SubResource("offsets").Body([]byte(body)).Do(t.Context()).Error()
			expectStatus(t, err, 422, "KafkaConsumerGroupOffsets", `spec.reset[0].time: Invalid value: "yesterday"`, "2026-01-31T08:00:00Z")
		}
	}
}
