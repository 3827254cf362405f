package apiserver

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

var kafkaShape = shape{kind: v1beta1.SchemeGroupVersion.WithKind("Kafka"), of: reflect.TypeFor[v1beta1.Kafka]()}

func (s shape) check(contentType, name string, body []byte) error {
	c := s.newCheck(contentType, name)
	for _, b := range body {
		c.take([]byte{b})
	}
	return c.err()
}

// What decoders take is never refused, and what only they can judge is left to them.
func TestWhatDecodersTakeOrJudge(t *testing.T) {
	for what, tc := range map[string]struct {
		contentType types.PatchType
		body        string
	}{
		"nulls":                {types.MergePatchType, `{"metadata":{"labels":null,"creationTimestamp":null},"spec":{"brokers":{"replicas":null,"storage":null,"config":{"a":null},"resources":{"limits":{"cpu":null}}}}}`},
		"numbers that are one": {"application/json", `{"spec":{"brokers":{"resources":{"limits":{"cpu":0.5,"memory":1073741824}},"replicas":3}}}`},
		"a number of YAML":     {types.ApplyYAMLPatchType, "spec: {brokers: {replicas: 3, storage: {size: 10Gi}}}"},
		"directives":           {types.StrategicMergePatchType, `{"metadata":{"labels":{"$retainKeys":["a"],"$patch":"replace"},"$setElementOrder/finalizers":["a"]},"spec":{"$patch":"delete"}}`},
		"managed fields":       {"application/json", `{"metadata":{"managedFields":[{"manager":"a","operation":"Apply","time":"2026-01-31T12:00:00Z","fieldsV1":{"f:spec":{}}}]}}`},
		"unknown fields":       {"application/json", `{"spec":{"nosuch":5,"Brokers":7}}`},
		"no object":            {"application/json", `[1]`},
		"no JSON":              {"application/json", `{"spec":`},
		"no YAML":              {types.ApplyYAMLPatchType, "\t:"},
		"no patch":             {types.JSONPatchType, `{"op":"add"}`},
		"steps without values": {types.JSONPatchType, `[{"op":"test","path":"/spec/brokers","value":5},{"op":"remove","path":"/spec/brokers"},{"op":"copy","from":"/a","path":"/spec/brokers"}]`},
		"paths to nowhere": {types.JSONPatchType, `[{"op":"add","path":"/spec/nosuch/a","value":5},{"op":"add","path":"/spec/brokers/replicas/a","value":5},
			{"op":"add","path":"/spec/brokers/storage/size/a","value":5},{"op":"add","path":"","value":5},{"op":"add","path":"spec","value":5}]`},
		"another type": {"application/cbor", `{"spec":{"brokers":5}}`},
		"no type":      {"a/b;;", `{"spec":{"brokers":5}}`},
	} {
		if err := kafkaShape.check(string(tc.contentType), "k", []byte(tc.body)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestMisfitsAreInOrderAndFew(t *testing.T) {
	err := kafkaShape.check("", "", []byte(`{"metadata":{"name":"a"},"spec":{"zookeeper":1,"brokers":{"replicas":"x"},"controllers":true}}`))
	if want := `Kafka.kafka.openshift.io "a" is invalid: [spec.brokers.replicas: Invalid value: "x": must be a whole number of 32 bits, without a point or an exponent, ` +
		`spec.controllers: Invalid value: true: must be an object, spec.zookeeper: Invalid value: 1: must be an object]`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	m := &misfits{}
	m.value(reflect.TypeFor[[]string](), make([]any, 0), field.NewPath("a"))
	for range 3 * maxMisfits {
		m.value(reflect.TypeFor[string](), int64(1), field.NewPath("a"))
	}
	if len(m.errs) != maxMisfits {
		t.Errorf("%d are told", len(m.errs))
	}
	long := kafkaShape.check("application/json", "k", []byte(`{"spec":{"brokers":["`+strings.Repeat("x", 100_000)+`"]}}`))
	if long == nil || len(long.Error()) > 1000 {
		t.Errorf("the whole value is told, in %d bytes", len(long.Error()))
	}
}
