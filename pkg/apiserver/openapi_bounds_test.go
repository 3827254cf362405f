package apiserver_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/pki"
)

// validated are objects that validation accepts. Between them they have every field with a bound, so that each can be changed alone.
var validated = []struct{ kind, spec string }{
	{"Kafka", `{"brokers":{"storage":{"size":"1Gi","class":"fast"},"config":{"a":"1"},"resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}},"jvm":{"options":["-XX:+UseZGC"]}},"controllers":{"storage":{"size":"1Gi","class":"fast"},"jvm":{"options":["-server"]}}}`},
	{"Kafka", `{"brokers":{"storage":{"size":"1Gi"}},"zookeeper":{"replicas":1,"storage":{"size":"1Gi","class":"fast"},"jvm":{"options":["-server"]}}}`},
	{"Kafka", `{"external":{"bootstrapServers":["a.example.com:9092"],"clusterID":"id","unmanagedTopicConfigs":["a"],"tls":{"caSecretRef":{"name":"ca"},"clientCertificateSecretRef":{"name":"cert"},"serverName":"a"},
		"authentication":{"type":"PLAIN","secretRef":{"name":"login"}}}}`},
	{"Kafka", `{"external":{"bootstrapServers":["a.example.com:9092"],"clusterID":"id","unmanagedTopicConfigs":["a"],"tls":{}}}`},
	{"KafkaTopic", `{"clusterRef":{"name":"k","namespace":"n"},"topicName":"orders","partitions":1,"replicas":1,"config":{"a":"1"}}`},
	{"KafkaTopicPartitions", `{"partitions":[{"partition":0,"replicas":[0]}]}`},
	{"KafkaTopicElection", `{"partitions":[0]}`},
	{"KafkaTopicTruncation", `{"partitions":[{"partition":0,"beforeOffset":0}]}`},
	{"KafkaTopicRecords", `{"records":[{"value":"x","headers":[{"name":"a"}]}]}`},
	{"KafkaConsumerGroupOffsets", `{"reset":[{"topic":"a","partitions":[0],"offset":0}]}`},
}

// values are what a pattern accepts and refuses, and what has a certain length, where one letter again and again has not.
func values(t *testing.T, path, bound string) (accepted, refused []any) {
	t.Helper()
	switch path + " " + bound {
	case "spec.topicName pattern":
		return []any{"", "Orders_v1.x-y"}, []any{"a/b", "größe", "a b"}
	case "spec.adoptTopicID pattern":
		return []any{"", "AAAAAAAAAAAAAAAAAAAA-_"}, []any{"AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA+/"}
	case "spec.external.clusterID pattern":
		return []any{"", "5L6g3nShT-eMCtK--X86sw", "a.1:[b/c]"}, []any{"a b", "größe", "a\n"}
	case "spec.external.unmanagedTopicConfigs[0] pattern":
		return []any{"cleanup.policy", "example.*", "a_b-c.d.*"}, []any{"", "*", ".*", "example*", "a..b"}
	case "spec.external.tls.caBundle maxLength":
		authority, err := pki.NewAuthority("theirs", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		// Words are allowed between certificates.
		bundle := func(length int) any {
			return strings.Repeat("#", length-len(authority.Cert)-1) + "\n" + string(authority.Cert)
		}
		return []any{bundle(validation.MaxCABundle)}, []any{bundle(validation.MaxCABundle + 1)}
	}
	if strings.HasSuffix(path, ".options[0]") && bound == "pattern" {
		return []any{"-XX:+UseZGC", "-Da=b,c"}, []any{"UseZGC", "-a b", "-a$(b)", `-a\b`, "-a|b", "-a\n"}
	}
	t.Errorf("%s has a %s that no value is known for", path, bound)
	return nil, nil
}

// What OpenAPI says that a field accepts is what validation accepts, at the bound and beyond it.
func TestOpenAPIBoundsAreThoseOfValidation(t *testing.T) {
	t.Parallel()
	document := openAPIV3(t)
	tried := map[string]bool{}
	for _, object := range validated {
		if errs := validate(t, object.kind, object.spec); len(errs) > 0 {
			t.Errorf("%s %s is not accepted: %v", object.kind, object.spec, errs)
			continue
		}
		var tree map[string]any
		if err := json.Unmarshal([]byte(`{"spec":`+object.spec+`}`), &tree); err != nil {
			t.Fatal(err)
		}
		walker := &walker{schemas: document.Components.Schemas, tried: tried}
		walker.probe = func(path, bound string, beyond bool, value any, set func(any)) {
			set(value)
			raw, err := json.Marshal(tree["spec"])
			if err != nil {
				t.Fatal(err)
			}
			refused := false
			for _, problem := range validate(t, object.kind, string(raw)) {
				// That a choice does not go with others of this object is no matter.
				if strings.HasPrefix(problem.Field, path) && (bound != "enum" || beyond || problem.Type == field.ErrorTypeNotSupported) {
					refused = true
				}
			}
			if refused != beyond {
				t.Errorf("%s: %s = %.60s is at the %s (beyond it: %t), validation refuses it: %t", object.kind, path, fmt.Sprint(value), bound, beyond, refused)
			}
		}
		walker.walk(t, "io.openshift.kafka.v1beta1."+object.kind, "", tree)
	}
	for model, fields := range apiserver.FieldBounds {
		for name := range fields {
			if !tried[model+" "+name] {
				t.Errorf("no object here has the field %s of %s", name, model)
			}
		}
	}
}

// walker goes through an object along its schema.
type walker struct {
	schemas map[string]*spec.Schema
	tried   map[string]bool
	// probe judges the object with another value of a field, which set puts there.
	probe func(path, bound string, beyond bool, value any, set func(any))
}

func (w *walker) walk(t *testing.T, model, path string, object map[string]any) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(w.schemas[model].Properties)) {
		property := w.schemas[model].Properties[name]
		at := strings.TrimPrefix(path+"."+name, ".")
		if at != "spec" && !strings.HasPrefix(at, "spec.") {
			continue
		}
		former, there := object[name]
		restore := func() {
			if delete(object, name); there {
				object[name] = former
			}
		}
		w.tried[model+" "+name] = true
		w.try(t, at, property, former, func(value any) { object[name] = value })
		restore()
		w.descend(t, at, property, former)
	}
}

// descend looks at what a field holds.
func (w *walker) descend(t *testing.T, path string, s spec.Schema, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		if model := modelOf(s); w.schemas[model] != nil {
			w.walk(t, model, path, value)
			return
		}
		for key, former := range value {
			w.try(t, path+"["+key+"]", *s.AdditionalProperties.Schema, former, func(other any) { value[key] = other })
			value[key] = former
		}
	case []any:
		former := value[0]
		w.try(t, path+"[0]", *s.Items.Schema, former, func(other any) { value[0] = other })
		value[0] = former
		w.descend(t, path+"[0]", *s.Items.Schema, former)
	}
}

// modelOf is the model that a property refers to: by itself, or as the only one of allOf beside a description.
func modelOf(s spec.Schema) string {
	ref := s.Ref.String()
	if len(s.AllOf) == 1 {
		ref = s.AllOf[0].Ref.String()
	}
	return ref[strings.LastIndex(ref, "/")+1:]
}

// try probes a field with values at its bounds and beyond them.
func (w *walker) try(t *testing.T, path string, s spec.Schema, former any, set func(any)) {
	t.Helper()
	at := func(bound string, accepted, refused []any) {
		for _, value := range accepted {
			w.probe(path, bound, false, value, set)
		}
		for _, value := range refused {
			w.probe(path, bound, true, value, set)
		}
	}
	text := func(n int64) any {
		switch {
		case strings.HasSuffix(path, ".options[0]"):
			return "-D" + strings.Repeat("a", int(n)-len("-D"))
		case strings.HasSuffix(path, ".bootstrapServers[0]"):
			return strings.Repeat("a", int(n)-len(":65535")) + ":65535"
		}
		return strings.Repeat("a", int(n))
	}
	entries := func(n int64) any {
		all := map[string]any{}
		for i := range n {
			// With a prefix, as resources of containers have that Kubernetes does not know.
			all[fmt.Sprintf("example.com/entry-%d", i)] = "1"
		}
		return all
	}
	list := func(n int64) any {
		all := slices.Repeat([]any{former.([]any)[0]}, int(n))
		if strings.HasSuffix(path, ".unmanagedTopicConfigs") {
			// It is a set.
			for i := range all {
				all[i] = fmt.Sprint("a", i)
			}
		}
		return all
	}
	if s.Minimum != nil {
		at("minimum", []any{int64(*s.Minimum)}, []any{int64(*s.Minimum) - 1})
	}
	if s.Maximum != nil {
		at("maximum", []any{int64(*s.Maximum)}, []any{int64(*s.Maximum) + 1})
	}
	if s.MinLength != nil {
		at("minLength", []any{text(*s.MinLength)}, []any{text(*s.MinLength - 1)})
	}
	if s.MaxLength != nil && *s.MaxLength != validation.MaxCABundle {
		at("maxLength", []any{text(*s.MaxLength)}, []any{text(*s.MaxLength + 1)})
	} else if s.MaxLength != nil {
		accepted, refused := values(t, path, "maxLength")
		at("maxLength", accepted, refused)
	}
	if s.MinItems != nil {
		at("minItems", []any{list(*s.MinItems)}, []any{list(*s.MinItems - 1)})
	}
	if s.MaxItems != nil {
		at("maxItems", []any{list(*s.MaxItems)}, []any{list(*s.MaxItems + 1)})
	}
	if s.MaxProperties != nil {
		at("maxProperties", []any{entries(*s.MaxProperties)}, []any{entries(*s.MaxProperties + 1)})
	}
	if s.Pattern != "" {
		accepted, refused := values(t, path, "pattern")
		at("pattern", accepted, refused)
	}
	if s.Enum != nil {
		var other any = "no-such"
		if _, number := s.Enum[0].(float64); number {
			other = 2
		}
		at("enum", s.Enum, []any{other})
	}
}

// validate judges an object as a write of it would be.
func validate(t *testing.T, kind, spec string) field.ErrorList {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":%q,"metadata":{"name":"k","namespace":"n"},"spec":%s}`, kind, spec)
	decoder := apiserver.Codecs.UniversalDecoder(schema.GroupVersion{Group: kafka.GroupName, Version: runtime.APIVersionInternal})
	obj, _, err := decoder.Decode([]byte(body), nil, nil)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	switch obj := obj.(type) {
	case *kafka.Kafka:
		return validation.ValidateKafka(obj)
	case *kafka.KafkaTopic:
		return validation.ValidateKafkaTopic(obj)
	case *kafka.KafkaTopicPartitions:
		old := &kafka.KafkaTopicPartitions{Spec: kafka.KafkaTopicPartitionsSpec{Partitions: []kafka.PartitionAssignment{{Replicas: []int32{0}}}}}
		return validation.ValidatePartitions(obj, old)
	case *kafka.KafkaTopicElection:
		return validation.ValidateElection(&obj.Spec, 1)
	case *kafka.KafkaTopicTruncation:
		return validation.ValidateTruncation(&obj.Spec, 1, time.Now())
	case *kafka.KafkaTopicRecords:
		return validation.ValidateRecords(obj)
	case *kafka.KafkaConsumerGroupOffsets:
		return validation.ValidateConsumerGroupOffsets(obj)
	}
	t.Fatalf("nothing validates %T", obj)
	return nil
}
