package validation

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// refusal is what one error has to say: of which field, and words that tell what would be accepted.
type refusal struct {
	field string
	says  string
}

// expect compares errors with the refusals wanted, in any order and none besides.
func expect(t *testing.T, got field.ErrorList, want ...refusal) {
	t.Helper()
	for _, w := range want {
		found := false
		for _, err := range got {
			found = found || err.Field == w.field && strings.Contains(err.Error(), w.says)
		}
		if !found {
			t.Errorf("nothing refuses %s saying %q; have %v", w.field, w.says, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d errors, want %d: %v", len(got), len(want), got)
	}
}

func claims(size string) kafka.StorageSpec {
	return kafka.StorageSpec{Type: kafka.PersistentClaim, Size: ptr.To(resource.MustParse(size))}
}

func emptyDir() kafka.StorageSpec { return kafka.StorageSpec{Type: kafka.Ephemeral} }

func newKafka(change func(*kafka.KafkaSpec)) *kafka.Kafka {
	k := &kafka.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "my-cluster", Namespace: "streams", ResourceVersion: "1"},
		Spec:       kafka.KafkaSpec{Version: "4.3.1", Brokers: &kafka.BrokersSpec{Replicas: ptr.To[int32](3), Storage: claims("10Gi")}},
	}
	if change != nil {
		change(&k.Spec)
	}
	return k
}

func withControllers(s *kafka.KafkaSpec) {
	s.Controllers = &kafka.ControllersSpec{Replicas: ptr.To[int32](3), Storage: claims("1Gi")}
}

func withZooKeeper(s *kafka.KafkaSpec) {
	s.Version = "3.9.2"
	s.ZooKeeper = &kafka.ZooKeeperSpec{Replicas: ptr.To[int32](3), Storage: claims("1Gi")}
}

func external(servers ...string) func(*kafka.KafkaSpec) {
	return func(s *kafka.KafkaSpec) {
		*s = kafka.KafkaSpec{External: &kafka.ExternalSpec{BootstrapServers: servers}}
	}
}

func TestKafkaNames(t *testing.T) {
	longest := strings.Repeat("a", 41)
	for name, want := range map[string]string{
		"a":            "",
		"my-cluster":   "",
		longest:        "",
		longest + "a":  "no more than 41",
		"1st":          "start with an alphabetic character",
		"My-Cluster":   "lower case",
		"my_cluster":   "alphanumeric characters or '-'",
		"my.cluster":   "alphanumeric characters or '-'",
		"ends-with-a-": "end with an alphanumeric character",
	} {
		problems := strings.Join(KafkaName(name, false), "; ")
		if want == "" && problems != "" || !strings.Contains(problems, want) {
			t.Errorf("name %q: %q, want %q", name, problems, want)
		}
	}
}

func TestValidateKafka(t *testing.T) {
	const hostPort = "must be host:port"
	for _, tc := range []struct {
		rule   string
		change func(*kafka.KafkaSpec)
		want   []refusal
	}{
		{rule: "three combined brokers are a cluster"},
		{rule: "so are dedicated controllers", change: withControllers},
		{rule: "so is ZooKeeper on 3.9.2", change: withZooKeeper},
		{rule: "so is a cluster that somebody else runs", change: external("kafka.example.com:9092", "10.0.0.1:9092", "[fd00::1]:9092")},

		{"either brokers or external", func(s *kafka.KafkaSpec) { s.Brokers = nil }, []refusal{{"spec.brokers", "external"}}},
		{"unknown versions list the known", func(s *kafka.KafkaSpec) { s.Version = "4.2.0" }, []refusal{{"spec.version", `"3.9.2", "4.3.1"`}}},
		{"a version is needed", func(s *kafka.KafkaSpec) { s.Version = "" }, []refusal{{"spec.version", `"4.3.1"`}}},
		{"no ZooKeeper with 4.x", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.Version = "4.3.1" }, []refusal{{"spec.zookeeper", "set version to 3.9.2"}}},
		{"no KRaft with 3.9.2", func(s *kafka.KafkaSpec) { s.Version = "3.9.2" }, []refusal{{"spec.version", "describe zookeeper, or set version to 4.3.1"}}},
		{"no ZooKeeper together with controllers", func(s *kafka.KafkaSpec) { withZooKeeper(s); withControllers(s) },
			[]refusal{{"spec.controllers", "leave out zookeeper or controllers"}}},

		{"no even controllers", func(s *kafka.KafkaSpec) { withControllers(s); s.Controllers.Replicas = ptr.To[int32](2) }, []refusal{{"spec.controllers.replicas", "1, 3 or 5"}}},
		{"no zero controllers", func(s *kafka.KafkaSpec) { withControllers(s); s.Controllers.Replicas = ptr.To[int32](0) }, []refusal{{"spec.controllers.replicas", "1, 3 or 5"}}},
		{"no seven controllers", func(s *kafka.KafkaSpec) { withControllers(s); s.Controllers.Replicas = ptr.To[int32](7) }, []refusal{{"spec.controllers.replicas", "1, 3 or 5"}}},
		{"no even ensemble", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.ZooKeeper.Replicas = ptr.To[int32](4) }, []refusal{{"spec.zookeeper.replicas", "1, 3 or 5"}}},
		{"no empty ensemble", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.ZooKeeper.Replicas = ptr.To[int32](0) }, []refusal{{"spec.zookeeper.replicas", "1, 3 or 5"}}},
		{"an ensemble has a size", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.ZooKeeper.Replicas = nil }, []refusal{{"spec.zookeeper.replicas", "1, 3 or 5"}}},

		{"at least one broker", func(s *kafka.KafkaSpec) { s.Brokers.Replicas = ptr.To[int32](0) }, []refusal{{"spec.brokers.replicas", "from 1 to 1000"}}},
		{"not more brokers than ids", func(s *kafka.KafkaSpec) { s.Brokers.Replicas = ptr.To[int32](1001) }, []refusal{{"spec.brokers.replicas", "from 1 to 1000"}}},
		{"brokers have a number", func(s *kafka.KafkaSpec) { s.Brokers.Replicas = nil }, []refusal{{"spec.brokers.replicas", "from 1 to 1000"}}},

		{"claims have a size", func(s *kafka.KafkaSpec) { s.Brokers.Storage.Size = nil }, []refusal{{"spec.brokers.storage.size", "100Gi"}}},
		{"a size is positive", func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("0") }, []refusal{{"spec.brokers.storage.size", "greater than zero"}}},
		{"an emptyDir's limit is positive", func(s *kafka.KafkaSpec) {
			s.Brokers.Storage = kafka.StorageSpec{Type: kafka.Ephemeral, Size: ptr.To(resource.MustParse("-1Gi"))}
		}, []refusal{{"spec.brokers.storage.size", "greater than zero"}}},
		{"storage types are two", func(s *kafka.KafkaSpec) { s.Brokers.Storage.Type = "NFS" }, []refusal{{"spec.brokers.storage.type", `"PersistentClaim", "Ephemeral"`}}},
		{"a class is a name", func(s *kafka.KafkaSpec) { s.Brokers.Storage.Class = ptr.To("Fast!") }, []refusal{{"spec.brokers.storage.class", "lowercase RFC 1123 subdomain"}}},
		{rule: "the empty class is the one without provisioner", change: func(s *kafka.KafkaSpec) { s.Brokers.Storage.Class = ptr.To("") }},
		{"emptyDirs have no class", func(s *kafka.KafkaSpec) {
			s.Brokers.Storage = kafka.StorageSpec{Type: kafka.Ephemeral, Class: ptr.To("fast")}
		}, []refusal{{"spec.brokers.storage.class", "leave class out"}}},
		{"controllers' storage is checked too", func(s *kafka.KafkaSpec) { withControllers(s); s.Controllers.Storage.Size = nil }, []refusal{{"spec.controllers.storage.size", "100Gi"}}},
		{"ZooKeeper's storage is checked too", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.ZooKeeper.Storage.Type = "" }, []refusal{{"spec.zookeeper.storage.type", "PersistentClaim"}}},
		{"no metadata in memory for data on claims: controllers", func(s *kafka.KafkaSpec) { withControllers(s); s.Controllers.Storage = emptyDir() },
			[]refusal{{"spec.controllers.storage.type", "metadata on claims too"}}},
		{"no metadata in memory for data on claims: ZooKeeper", func(s *kafka.KafkaSpec) { withZooKeeper(s); s.ZooKeeper.Storage = emptyDir() },
			[]refusal{{"spec.zookeeper.storage.type", "metadata on claims too"}}},
		{rule: "everything in emptyDirs is a cluster to throw away", change: func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Controllers.Storage, s.Brokers.Storage = emptyDir(), emptyDir()
		}},

		{"resources are not negative", func(s *kafka.KafkaSpec) {
			s.Brokers.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("-1")}
		}, []refusal{{"spec.brokers.resources.requests[cpu]", "must not be negative"}}},
		{"resources have the names that Kubernetes knows", func(s *kafka.KafkaSpec) {
			s.Brokers.Resources.Limits = corev1.ResourceList{"memroy": resource.MustParse("1Gi"), "hugepages-2Mi": resource.MustParse("1Gi"), "example.com/disk": resource.MustParse("1")}
		}, []refusal{{"spec.brokers.resources.limits[memroy]", "supported values"}}},
		{"resources have names", func(s *kafka.KafkaSpec) {
			s.Brokers.Resources.Limits = corev1.ResourceList{"c p u": resource.MustParse("1")}
		}, []refusal{{"spec.brokers.resources.limits[c p u]", "must consist of alphanumeric characters"}}},
		{"a request is within its limit", func(s *kafka.KafkaSpec) {
			s.Brokers.Resources = kafka.ResourceRequirements{
				Requests: corev1.ResourceList{"memory": resource.MustParse("2Gi")}, Limits: corev1.ResourceList{"memory": resource.MustParse("1Gi")}}
		}, []refusal{{"spec.brokers.resources.requests[memory]", "limit of 1Gi"}}},
		{"controllers' resources are checked too", func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Controllers.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("-1")}
		}, []refusal{{"spec.controllers.resources.requests[cpu]", "must not be negative"}}},
		{"ZooKeeper's resources are checked too", func(s *kafka.KafkaSpec) {
			withZooKeeper(s)
			s.ZooKeeper.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("-1")}
		}, []refusal{{"spec.zookeeper.resources.requests[cpu]", "must not be negative"}}},

		{"a heap that Kafka can start with", func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Heap: ptr.To(resource.MustParse("63Mi"))} },
			[]refusal{{"spec.brokers.jvm.heap", "at least 64Mi"}}},
		{"one option of java at a time", func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Options: []string{"-XX:+UseZGC -Xint"}} },
			[]refusal{{"spec.brokers.jvm.options[0]", "such as -XX:+UseZGC"}}},
		{"an option begins with a dash", func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Options: []string{"-XX:+UseZGC", "Evil"}} },
			[]refusal{{"spec.brokers.jvm.options[1]", "such as -XX:+UseZGC"}}},
		{"no shell in an option", func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Options: []string{"-Da=$(id)"}} },
			[]refusal{{"spec.brokers.jvm.options[0]", "shell characters"}}},
		{"the heap has its own field", func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Options: []string{"-Xmx1g", "-Xms1g"}} },
			[]refusal{{"spec.brokers.jvm.options[0]", "jvm.heap"}, {"spec.brokers.jvm.options[1]", "jvm.heap"}}},
		{"controllers' Java is checked too", func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Controllers.JVM = &kafka.JVMSpec{Options: []string{"x"}}
		},
			[]refusal{{"spec.controllers.jvm.options[0]", "such as -XX:+UseZGC"}}},
		{"ZooKeeper's Java is checked too", func(s *kafka.KafkaSpec) {
			withZooKeeper(s)
			s.ZooKeeper.JVM = &kafka.JVMSpec{Options: []string{"x"}}
		},
			[]refusal{{"spec.zookeeper.jvm.options[0]", "such as -XX:+UseZGC"}}},

		{rule: "broker settings are the user's", change: config("log.retention.ms", "1000")},
		{"except those of the cluster itself", config("node.id", "7"), []refusal{{"spec.brokers.config[node.id]", "manages this setting itself"}}},
		{"and its security", config("ssl.keystore.location", "/x"), []refusal{{"spec.brokers.config[ssl.keystore.location]", "manages this setting itself"}}},
		{"a setting has a name", config("", "1"), []refusal{{"spec.brokers.config[]", "no name of a setting"}}},
		{"a name that cannot end its line", config("a=b", "1"), []refusal{{"spec.brokers.config[a=b]", "no name of a setting"}}},
		{"a value that cannot end its line", config("a", "1\nnode.id=7"), []refusal{{"spec.brokers.config[a]", "one line"}}},

		{"an external cluster has nothing else", func(s *kafka.KafkaSpec) {
			withControllers(s)
			withZooKeeper(s)
			s.External = &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}
		}, []refusal{{"spec.version", "external"}, {"spec.brokers", "external"}, {"spec.controllers", "external"}, {"spec.zookeeper", "external"}}},
		{"an external cluster has addresses", external(), []refusal{{"spec.external.bootstrapServers", "host:port"}}},
		{"an address has a port", external("a:1", "kafka.example.com"), []refusal{{"spec.external.bootstrapServers[1]", hostPort}}},
		{"a port is a number", external("kafka.example.com:http"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
		{"a port is in range", external("kafka.example.com:70000"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
		{"a host is a name", external("https://kafka:9092"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			expect(t, ValidateKafka(newKafka(tc.change)), tc.want...)
		})
	}
}

func config(key, value string) func(*kafka.KafkaSpec) {
	return func(s *kafka.KafkaSpec) { s.Brokers.Config = map[string]string{key: value} }
}

func TestKafkaNamesAreValidatedWithTheObject(t *testing.T) {
	k := newKafka(nil)
	k.Name = "My_Cluster"
	errs := ValidateKafka(k)
	if len(errs) == 0 || errs[0].Field != "metadata.name" {
		t.Errorf("errors are %v, want one of metadata.name", errs)
	}
	k = newKafka(nil)
	k.Namespace = ""
	expect(t, ValidateKafka(k), refusal{"metadata.namespace", "Required"})
}
