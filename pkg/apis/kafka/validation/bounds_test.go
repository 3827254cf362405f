package validation

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// oversized are the ways in which a text, list or map is too large; nothing for a value that has a size of its own.
func oversized(value reflect.Value) map[string]reflect.Value {
	huge := strings.Repeat("a", 300<<10)
	kind := value.Type()
	switch kind.Kind() {
	case reflect.String:
		return map[string]reflect.Value{"a long text": reflect.ValueOf(huge).Convert(kind)}
	case reflect.Slice:
		many := reflect.MakeSlice(kind, 0, 0)
		for range 10000 {
			many = reflect.Append(many, value.Index(0))
		}
		return map[string]reflect.Value{"many": many}
	case reflect.Map:
		element := value.MapIndex(value.MapKeys()[0])
		many, name := reflect.MakeMap(kind), reflect.MakeMap(kind)
		for i := range 10000 {
			many.SetMapIndex(reflect.ValueOf(fmt.Sprint("n", i)).Convert(kind.Key()), element)
		}
		name.SetMapIndex(reflect.ValueOf(huge).Convert(kind.Key()), element)
		ways := map[string]reflect.Value{"many": many, "a long name": name}
		if kind.Elem().Kind() == reflect.String {
			text, total := reflect.MakeMap(kind), reflect.MakeMap(kind)
			text.SetMapIndex(value.MapKeys()[0], reflect.ValueOf(huge).Convert(kind.Elem()))
			for i := range 100 {
				total.SetMapIndex(reflect.ValueOf(fmt.Sprint("n", i)).Convert(kind.Key()), reflect.ValueOf(huge[:30000]).Convert(kind.Elem()))
			}
			ways["a long value"], ways["many long values"] = text, total
		}
		return ways
	}
	return nil
}

// each visits all texts, lists and maps below a value, and fails on those that are not set: there would be nothing to try.
func each(t *testing.T, value reflect.Value, path string, visit func(path string, value reflect.Value)) {
	t.Helper()
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			each(t, value.Elem(), path, visit)
		}
	case reflect.Struct:
		if value.Type() == reflect.TypeFor[resource.Quantity]() {
			return
		}
		for i := range value.NumField() {
			each(t, value.Field(i), path+"."+value.Type().Field(i).Name, visit)
		}
	case reflect.Slice:
		if value.Len() == 0 {
			t.Fatalf("%s is empty", path)
		}
		visit(path, value)
		each(t, value.Index(0), path+"[0]", visit)
	case reflect.Map:
		if value.Len() == 0 {
			t.Fatalf("%s is empty", path)
		}
		visit(path, value)
	case reflect.String:
		visit(path, value)
	}
}

// boundless looks for a text, list or map of a spec that may have any size, and for refusals that repeat it.
func boundless(t *testing.T, spec any, judge func() field.ErrorList) {
	t.Helper()
	if errs := judge(); len(errs) > 0 {
		t.Fatalf("the spec is not valid to begin with: %v", errs)
	}
	each(t, reflect.ValueOf(spec).Elem(), "", func(path string, value reflect.Value) {
		before := reflect.New(value.Type()).Elem()
		before.Set(value)
		for way, large := range oversized(value) {
			value.Set(large)
			errs := judge()
			if len(errs) == 0 {
				t.Errorf("%s: %s is accepted", path, way)
			}
			if text := errs.ToAggregate(); text != nil && len(text.Error()) > 64<<10 {
				t.Errorf("%s: %s makes a refusal of %d bytes", path, way, len(text.Error()))
			}
		}
		value.Set(before)
	})
}

func resources() kafka.ResourceRequirements {
	list := corev1.ResourceList{"cpu": resource.MustParse("1")}
	return kafka.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
}

func TestEverythingOfASpecHasABound(t *testing.T) {
	jvm := &kafka.JVMSpec{Options: []string{"-XX:+UseZGC"}}
	storage := claims("10Gi")
	storage.Class = ptr.To("fast")
	brokers := func(s *kafka.KafkaSpec) {
		s.Brokers.Storage, s.Brokers.Resources, s.Brokers.JVM = storage, resources(), jvm.DeepCopy()
		s.Brokers.Config = map[string]string{"log.retention.ms": "1"}
	}
	certificate := kafka.ExternalTLS{CASecretRef: &kafka.SecretKeyReference{Name: "ca", Key: "ca.crt"},
		ClientCertificateSecretRef: &kafka.SecretReference{Name: "certificate"}, ServerName: "kafka.example.com"}
	for name, change := range map[string]func(*kafka.KafkaSpec){
		"brokers": brokers,
		"controllers": func(s *kafka.KafkaSpec) {
			brokers(s)
			s.Controllers = &kafka.ControllersSpec{Replicas: ptr.To[int32](3), Storage: *storage.DeepCopy(), Resources: resources(), JVM: jvm.DeepCopy()}
		},
		"zookeeper": func(s *kafka.KafkaSpec) {
			brokers(s)
			s.Version = "3.9.2"
			s.ZooKeeper = &kafka.ZooKeeperSpec{Replicas: ptr.To[int32](3), Storage: *storage.DeepCopy(), Resources: resources(), JVM: jvm.DeepCopy()}
		},
		"external by a Secret": func(s *kafka.KafkaSpec) {
			external("a:1")(s)
			s.External.ClusterID, s.External.UnmanagedTopicConfigs = "id", []string{"example.*"}
			s.External.TLS = &certificate
			s.External.Authentication = &kafka.ExternalAuthentication{Type: kafka.AuthenticationPlain,
				SecretRef: kafka.UserSecretReference{Name: "user", UsernameKey: "username", PasswordKey: "password"}}
		},
		"external by name": func(s *kafka.KafkaSpec) {
			external("a:1")(s)
			s.External.ClusterID, s.External.UnmanagedTopicConfigs = "id", []string{"example.*"}
			s.External.Authentication = &kafka.ExternalAuthentication{Type: kafka.AuthenticationPlain, Username: "me",
				SecretRef: kafka.UserSecretReference{Name: "user", PasswordKey: "password"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKafka(change)
			boundless(t, &k.Spec, func() field.ErrorList { return ValidateKafka(k) })
		})
	}
	t.Run("topic", func(t *testing.T) {
		topic := newTopic(func(topic *kafka.KafkaTopic) {
			topic.Spec.TopicName, topic.Spec.AdoptTopicID = "orders", "AAAAAAAAAAAAAAAAAAAAAA"
			topic.Spec.ClusterRef.Namespace = "streams"
			topic.Spec.Config = map[string]string{"retention.ms": "1"}
		})
		boundless(t, &topic.Spec, func() field.ErrorList { return ValidateKafkaTopic(topic) })
	})
}

func TestMetadataHasABound(t *testing.T) {
	huge := strings.Repeat("a", 300<<10)
	owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "a", UID: "u"}
	for name, change := range map[string]func(*metav1.ObjectMeta){
		"labels": func(m *metav1.ObjectMeta) {
			m.Labels = map[string]string{}
			for i := range 10000 {
				m.Labels[fmt.Sprint("n", i)] = "a"
			}
		},
		"finalizers": func(m *metav1.ObjectMeta) {
			for i := range 10000 {
				m.Finalizers = append(m.Finalizers, fmt.Sprint("example.com/", i))
			}
		},
		"ownerReferences": func(m *metav1.ObjectMeta) {
			for range 10000 {
				m.OwnerReferences = append(m.OwnerReferences, owner)
			}
		},
		"ownerReferences[0].name": func(m *metav1.ObjectMeta) {
			large := owner
			large.Name = huge
			m.OwnerReferences = []metav1.OwnerReference{large}
		},
	} {
		k := newKafka(nil)
		change(&k.ObjectMeta)
		if errs := ValidateKafka(k); len(errs) != 1 || errs[0].Field != "metadata."+name {
			t.Errorf("a Kafka's %s: %v", name, errs)
		}
		topic := newTopic(func(topic *kafka.KafkaTopic) { change(&topic.ObjectMeta) })
		if errs := ValidateKafkaTopic(topic); len(errs) != 1 || errs[0].Field != "metadata."+name {
			t.Errorf("a KafkaTopic's %s: %v", name, errs)
		}
		old := newTopic(nil)
		if errs := ValidateKafkaTopicUpdate(topic, old); len(errs) != 1 {
			t.Errorf("%s of an update: %v", name, errs)
		}
		// What is there stays changeable in everything else.
		if errs := ValidateKafkaTopicUpdate(topic, topic.DeepCopy()); len(errs) != 0 {
			t.Errorf("%s as they were: %v", name, errs)
		}
	}
}

// What a reference names exists under the rules for the names of Kafkas and namespaces alone.
func TestAReferenceIsJudgedAsANameIs(t *testing.T) {
	for _, tc := range []struct {
		ref  kafka.ClusterReference
		want []refusal
	}{
		{kafka.ClusterReference{Name: "my-cluster", Namespace: "streams"}, nil},
		{kafka.ClusterReference{}, []refusal{{"spec.clusterRef.name", "name the Kafka"}}},
		{kafka.ClusterReference{Name: "my-cluster", Namespace: "../x"}, []refusal{{"spec.clusterRef.namespace", "RFC 1123 label"}}},
		{kafka.ClusterReference{Name: "UPPER case/with?odd#things"}, []refusal{{"spec.clusterRef.name", "DNS-1035 label"}}},
		{kafka.ClusterReference{Name: strings.Repeat("a", 64)}, []refusal{{"spec.clusterRef.name", "41"}}},
		{kafka.ClusterReference{Name: "a", Namespace: strings.Repeat("a", 64)}, []refusal{{"spec.clusterRef.namespace", "no more than 63"}}},
	} {
		topic := newTopic(func(topic *kafka.KafkaTopic) { topic.Spec.ClusterRef = tc.ref })
		t.Run(tc.ref.Namespace+" "+tc.ref.Name, func(t *testing.T) { expect(t, ValidateKafkaTopic(topic), tc.want...) })
	}
}
