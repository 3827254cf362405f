package kafkatopic_test

import (
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// A null in spec.config takes an override away, whichever kind of write brings it.
func TestANullRemovesAnOverride(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	object := func(name, config string) []byte {
		return []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"` + name + `"},
			"spec":{"clusterRef":{"name":"k"},"partitions":1,"replicas":1,"config":` + config + `}}`)
	}
	apply := metav1.PatchOptions{FieldManager: "team", Force: ptr.To(true), FieldValidation: metav1.FieldValidationStrict}
	strict := metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict}
	for _, tc := range []struct {
		name    string
		kind    types.PatchType
		options metav1.PatchOptions
		body    []byte
	}{
		{"merge", types.MergePatchType, strict, []byte(`{"spec":{"config":{"retention.ms":null}}}`)},
		{"json-remove", types.JSONPatchType, strict, []byte(`[{"op":"remove","path":"/spec/config/retention.ms"}]`)},
		{"json-replace", types.JSONPatchType, strict, []byte(`[{"op":"replace","path":"/spec/config/retention.ms","value":null}]`)},
		{"strategic", types.StrategicMergePatchType, strict, []byte(`{"spec":{"config":{"retention.ms":null}}}`)},
		{"apply-null", types.ApplyPatchType, apply, object("apply-null", `{"retention.ms":null,"segment.ms":"2000"}`)},
		{"apply-without", types.ApplyPatchType, apply, object("apply-without", `{"segment.ms":"2000"}`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// Created by apply, so that a later apply knows what it no longer wants.
			_, err := topicsOf(server.Client, k).Patch(t.Context(), tc.name, types.ApplyPatchType,
				object(tc.name, `{"retention.ms":"1000","segment.ms":"2000","max.message.bytes":null}`), apply)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := k.Config(t, tc.name), (map[string]string{"retention.ms": "1000", "segment.ms": "2000"}); !maps.Equal(got, want) {
				t.Fatalf("created with %v, want %v", got, want)
			}
			patched, err := topicsOf(server.Client, k).Patch(t.Context(), tc.name, tc.kind, tc.body, tc.options)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"segment.ms": "2000"}
			if got := map[string]string(patched.Spec.Config); !maps.Equal(got, want) {
				t.Errorf("the spec has %v, want %v", got, want)
			}
			if got := k.Config(t, tc.name); !maps.Equal(got, want) {
				t.Errorf("the brokers have %v, want %v", got, want)
			}
			expectReady(t, patched, metav1.ConditionTrue, "Ready")
		})
	}
	t.Run("create and update", func(t *testing.T) {
		t.Parallel()
		client := server.Client.KafkaV1beta1().RESTClient()
		created := &v1beta1.KafkaTopic{}
		if err := client.Post().Namespace(k.Object.Namespace).Resource("kafkatopics").Param("fieldValidation", "Strict").SetHeader("Content-Type", "application/json").
			Body(object("posted", `{"retention.ms":null}`)).Do(t.Context()).Into(created); err != nil {
			t.Fatal(err)
		}
		if got := k.Config(t, "posted"); len(got) != 0 || len(created.Spec.Config) != 0 {
			t.Errorf("the spec has %v, the brokers %v, want nothing", created.Spec.Config, got)
		}
		created.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"}
		if _, err := topicsOf(server.Client, k).Update(t.Context(), created, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := client.Put().Namespace(k.Object.Namespace).Resource("kafkatopics").Name("posted").SetHeader("Content-Type", "application/json").
			Body(object("posted", `{"retention.ms":null}`)).Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
		if got := k.Config(t, "posted"); len(got) != 0 {
			t.Errorf("the brokers have %v, want nothing", got)
		}
	})
	t.Run("a number", func(t *testing.T) {
		t.Parallel()
		_, err := topicsOf(server.Client, k).Patch(t.Context(), "number", types.ApplyPatchType, object("number", `{"retention.ms":1000}`), apply)
		if err == nil {
			t.Fatal("a number was taken")
		}
		err = server.Client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").SetHeader("Content-Type", "application/json").
			Body(object("number", `{"retention.ms":1000}`)).Do(t.Context()).Error()
		expectStatus(t, err, 422, "spec.config[retention.ms]: Invalid value: 1000: must be a string in quotes")
	})
}

// What brokers say of a setting is an error on that setting.
func TestASettingThatBrokersRefuseIsNamed(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	refuse := func(words string) {
		k.ControlKey(19, refusing(40, words))
		k.ControlKey(44, refusing(40, words))
	}
	topic := mustCreate(t, newTopic(k, "orders"))
	const words = "Invalid value soon for configuration delete.retention.ms: Not a number of type LONG"
	bad := v1beta1.TopicConfig{"retention.ms": "5", "delete.retention.ms": "soon"}
	refuse(words)
	_, err := create(server.Client, newTopic(k, "bad", func(topic *v1beta1.KafkaTopic) { topic.Spec.Config = bad }))
	expectStatus(t, err, 422, "spec.config[delete.retention.ms]", words)
	refuse(words)
	topic.Spec.Config = bad
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		refuse(words)
		_, err = topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{DryRun: dryRun})
		expectStatus(t, err, 422, "spec.config[delete.retention.ms]", words)
	}
	if got := mustGet(t, topic); len(got.Spec.Config) != 0 {
		t.Errorf("stored is %v", got.Spec.Config)
	}
	if got := kinds(k); slices.Contains(got, "AlterConfigs") {
		t.Errorf("the brokers got %v", got)
	}
}
