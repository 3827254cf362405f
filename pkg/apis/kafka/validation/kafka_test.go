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
		{"a size is positive", func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("0") }, []refusal{{"spec.brokers.storage.size", "at least 128Mi"}}},
		{"an emptyDir's limit is positive", func(s *kafka.KafkaSpec) {
			s.Brokers.Storage = kafka.StorageSpec{Type: kafka.Ephemeral, Size: ptr.To(resource.MustParse("-1Gi"))}
		}, []refusal{{"spec.brokers.storage.size", "at least 128Mi"}}},
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

		{"a setting has a value of its type", config("num.io.threads", "abc"), []refusal{{"spec.brokers.config[num.io.threads]", "Kafka 4.3.1 wants a whole number of at least 1"}}},
		{"within its range", config("log.cleaner.min.cleanable.ratio", "2"), []refusal{{"spec.brokers.config[log.cleaner.min.cleanable.ratio]", "from 0 to 1"}}},
		{"or of its list", config("log.cleanup.policy", "shred"), []refusal{{"spec.brokers.config[log.cleanup.policy]", "compact, delete"}}},
		{"of its release", func(s *kafka.KafkaSpec) {
			withZooKeeper(s)
			s.Version = "3.9.2"
			s.Brokers.Config = map[string]string{"zookeeper.session.timeout.ms": "soon"}
		}, []refusal{{"spec.brokers.config[zookeeper.session.timeout.ms]", "Kafka 3.9.2 wants a whole number"}}},
		{rule: "plugins have settings of their own", change: config("not.a.setting", "abc")},

		{"a claim is large enough to start on", func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("1") }, []refusal{{"spec.brokers.storage.size", "at least 128Mi"}}},
		{"a controller's too", func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Controllers.Storage = claims("127Mi")
		}, []refusal{{"spec.controllers.storage.size", "at least 128Mi"}}},
		{rule: "and no larger", change: func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("128Mi") }},
		{"memory is enough to start with", memory("1", ""), []refusal{{"spec.brokers.resources.limits[memory]", "at least 192Mi"}}},
		{"for half of it as the heap", memory("191Mi", ""), []refusal{{"spec.brokers.resources.limits[memory]", "at least 192Mi"}}},
		{rule: "and no more", change: memory("192Mi", "")},
		{"a heap fits into the memory", memory("1Gi", "1Ti"), []refusal{{"spec.brokers.jvm.heap", "leave 96Mi of resources.limits.memory, which is 1Gi"}}},
		{"with what is beside it", memory("1Gi", "929Mi"), []refusal{{"spec.brokers.jvm.heap", "leave 96Mi"}}},
		{rule: "as far as there is a limit", change: memory("", "1Ti")},
		{rule: "to the last byte", change: memory("1Gi", "928Mi")},
		{"controllers' heaps too", func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Controllers.JVM = &kafka.JVMSpec{Heap: ptr.To(resource.MustParse("1Gi"))}
			s.Controllers.Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("1Gi")}
		}, []refusal{{"spec.controllers.jvm.heap", "leave 96Mi"}}},
		{"ZooKeeper's heaps too", func(s *kafka.KafkaSpec) {
			withZooKeeper(s)
			s.ZooKeeper.Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("1")}
		}, []refusal{{"spec.zookeeper.resources.limits[memory]", "at least 192Mi"}}},

		{"an external cluster has nothing else", func(s *kafka.KafkaSpec) {
			withControllers(s)
			withZooKeeper(s)
			s.External = &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}
		}, []refusal{{"spec.version", "external"}, {"spec.brokers", "external"}, {"spec.controllers", "external"}, {"spec.zookeeper", "external"}}},
		{"an external cluster has addresses", external(), []refusal{{"spec.external.bootstrapServers", "host:port"}}},
		{"an address has a port", external("a:1", "kafka.example.com"), []refusal{{"spec.external.bootstrapServers[1]", hostPort}}},
		{"a port is a number", external("kafka.example.com:http"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
		{"a port is in range", external("kafka.example.com:70000"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
		{"a name ends without a dot", external("kafka.example.com.:9092"), []refusal{{"spec.external.bootstrapServers[0]", "the name ends with a dot; write kafka.example.com"}}},
		{"what is missing is said", external("kafka.example.com", "kafka:0", "ka_fka:9092"), []refusal{{"spec.external.bootstrapServers[0]", "missing port"},
			{"spec.external.bootstrapServers[1]", `port "0" is not from 1 to 65535`}, {"spec.external.bootstrapServers[2]", "lower case alphanumeric characters"}}},
		{"a host is a name", external("https://kafka:9092"), []refusal{{"spec.external.bootstrapServers[0]", hostPort}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			expect(t, ValidateKafka(newKafka(tc.change)), tc.want...)
		})
	}
}

// memory sets the limit of brokers' memory, and their heap.
func memory(limit, heap string) func(*kafka.KafkaSpec) {
	return func(s *kafka.KafkaSpec) {
		if limit != "" {
			s.Brokers.Resources.Limits = corev1.ResourceList{"memory": resource.MustParse(limit)}
		}
		if heap != "" {
			s.Brokers.JVM = &kafka.JVMSpec{Heap: ptr.To(resource.MustParse(heap))}
		}
	}
}

func TestJVMOptions(t *testing.T) {
	for says, options := range map[string][]string{
		"": {"-server", "-verbose", "--enable-preview", "--sun-misc-unsafe-memory-access=allow", "--patch-module=a=b.jar", "-XX:+UseZGC", "-XX:MaxGCPauseMillis=20", "-Xss512k", "-Xlog:gc", "-Xint", "-Dfoo=bar", "-javaagent:/a.jar=7071", "-agentlib:jdwp=x", "-agentpath:/a.so",
			"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-verbose:gc", "-ea", "-da:org.apache", "-esa"},
		"how the Java virtual machine works": {"-version", "--version", "-showversion", "-jar", "-cp", "-classpath", "--class-path=/x", "-p", "--module=x", "-m", "-help", "-?", "-h", "-X",
			"-Xinternalversion", "-Xlog:help", "-Xshare:dump", "-XX:+PrintFlagsInitial", "-XX:Flags=/tmp/x", "-XX:VMOptionsFile=/tmp/x", "--list-modules", "--dry-run", "-D", "-", "--", "-eabc", "-splash:x"},
		"such as -XX:+UseZGC": {"@/tmp/args", "kafka.Kafka", ""},
		"jvm.heap":            {"-Xmx1g", "-Xms1g", "-XX:MaxHeapSize=1g", "-XX:InitialHeapSize=1g", "-XX:MinHeapSize=1g"},
	} {
		for _, option := range options {
			want := []refusal{{"spec.brokers.jvm.options[0]", says}}
			if says == "" {
				want = nil
			}
			expect(t, ValidateKafka(newKafka(func(s *kafka.KafkaSpec) { s.Brokers.JVM = &kafka.JVMSpec{Options: []string{option}} })), want...)
		}
	}
}

// Rules that came later do not keep anybody from changing something else, and hold for what is changed.
func TestWhatWasStoredBeforeTheseRules(t *testing.T) {
	stored := func() *kafka.Kafka {
		return newKafka(func(s *kafka.KafkaSpec) {
			memory("1Gi", "1Ti")(s)
			config("num.io.threads", "abc")(s)
			s.Brokers.JVM.Options = []string{"-version"}
			s.Brokers.Storage = claims("1")
		})
	}
	other := stored()
	other.Labels = map[string]string{"a": "b"}
	other.Spec.Brokers.Config["log.retention.ms"] = "1000"
	// What is before it in a list has nothing to do with it.
	other.Spec.Brokers.JVM.Options = []string{"-server", "-disableassertions:org.example...", "-version"}
	expect(t, ValidateKafkaUpdate(other, stored()))
	other.Spec.Brokers.Config["num.io.threads"] = "def"
	other.Spec.Brokers.JVM.Options[0] = "-jar"
	other.Spec.Brokers.JVM.Heap = ptr.To(resource.MustParse("2Ti"))
	expect(t, ValidateKafkaUpdate(other, stored()), refusal{"spec.brokers.config[num.io.threads]", "whole number"},
		refusal{"spec.brokers.jvm.options[0]", "-jar"}, refusal{"spec.brokers.jvm.heap", "2Ti"})
}

func TestUnknownSettingsAreWarnedOf(t *testing.T) {
	k := newKafka(config("not.a.setting", "1"))
	got := KafkaWarnings(k, nil)
	if len(got) != 1 || !strings.Contains(got[0], "not.a.setting") || !strings.Contains(got[0], "4.3.1") {
		t.Errorf("%q", got)
	}
	if got := KafkaWarnings(newKafka(config("config.providers.env.class", "org.example.Env")), nil); len(got) != 0 {
		t.Errorf("a name that is chosen by whoever sets it: %q", got)
	}
	if got := KafkaWarnings(k, k); len(got) != 0 {
		t.Errorf("what is stored already: %q", got)
	}
	k.Spec.Brokers.Config["another"] = ""
	if got := KafkaWarnings(k, newKafka(config("not.a.setting", "1"))); len(got) != 1 || strings.Contains(got[0], "not.a.setting") || !strings.Contains(got[0], "another") {
		t.Errorf("%q", got)
	}
	if got := KafkaWarnings(newKafka(config("num.io.threads", "1")), nil); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestOneLimitOfANameIsTold(t *testing.T) {
	k := newKafka(nil)
	k.Name = strings.Repeat("a", 64)
	expect(t, ValidateKafka(k), refusal{"metadata.name", "no more than 41"})
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
