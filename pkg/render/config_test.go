package render

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
)

func TestDefaultsFollowTheNumberOfBrokersAtCreation(t *testing.T) {
	for _, tc := range []struct {
		brokers     int32
		factor, isr string
	}{{1, "1", "1"}, {2, "2", "1"}, {3, "3", "2"}, {9, "3", "2"}} {
		got := defaultConfig(v1beta1.ModeCombined, tc.brokers)
		for _, key := range []string{"default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor", "share.coordinator.state.topic.replication.factor"} {
			if got[key] != tc.factor {
				t.Errorf("%d brokers: %s = %q, want %q", tc.brokers, key, got[key], tc.factor)
			}
		}
		for _, key := range []string{"min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"} {
			if got[key] != tc.isr {
				t.Errorf("%d brokers: %s = %q, want %q", tc.brokers, key, got[key], tc.isr)
			}
		}
	}
}

func TestUsersOverrideDefaultsOnly(t *testing.T) {
	kafka, facts := example(t, "kafka-kraft.yaml")
	kafka.Spec.Brokers.Config = map[string]string{"min.insync.replicas": "3", "controller.quorum.append.linger.ms": "25", "log.dirs": "/elsewhere"}
	r := renderer{kafka: kafka, facts: facts, mode: v1beta1.ModeCombined}
	got := r.serverConfig(r.nodes(Broker))
	for key, want := range map[string]string{"min.insync.replicas": "3", "controller.quorum.append.linger.ms": "25", "log.dirs": logDir} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}

// Whatever the cluster writes and no user may override must be refused at request time, or a user's value would be lost silently.
func TestEverySettingOfTheClusterIsADefaultOrManaged(t *testing.T) {
	for _, name := range []string{"kafka-kraft.yaml", "kafka-kraft-dedicated.yaml", "kafka-zookeeper.yaml"} {
		kafka, facts := example(t, name)
		kafka.Spec.Brokers.Config = nil
		mode := Mode(&kafka.Spec)
		r := renderer{kafka: kafka, facts: facts, mode: mode}
		defaults := defaultConfig(mode, 3)
		for _, role := range Roles(mode) {
			if role == ZooKeeper {
				continue
			}
			n := r.nodes(role)
			for _, settings := range []map[string]string{r.serverConfig(n), r.nodeConfig(n, true), r.nodeConfig(n, false)} {
				for key := range settings {
					if _, isDefault := defaults[key]; !isDefault && !kafkaconfig.IsManaged(key) {
						t.Errorf("%s: %s is neither a default nor managed", name, key)
					}
				}
			}
		}
		for key := range defaults {
			if kafkaconfig.IsManaged(key) {
				t.Errorf("%s: default %s cannot be overridden", name, key)
			}
		}
	}
}

func TestQuorumIDs(t *testing.T) {
	combined := func(n int32) *v1beta1.KafkaSpec {
		return &v1beta1.KafkaSpec{Brokers: &v1beta1.BrokersSpec{Replicas: ptr.To(n)}}
	}
	for _, tc := range []struct {
		name string
		spec *v1beta1.KafkaSpec
		want string
	}{
		{"one node", combined(1), "0"},
		{"two nodes have one voter: two would tolerate no loss", combined(2), "0"},
		{"three", combined(3), "0,1,2"},
		{"four stay at three", combined(4), "0,1,2"},
		{"controllers", &v1beta1.KafkaSpec{Brokers: &v1beta1.BrokersSpec{}, Controllers: &v1beta1.ControllersSpec{Replicas: ptr.To[int32](5)}}, "3000,3001,3002,3003,3004"},
		{"zookeeper", &v1beta1.KafkaSpec{Brokers: &v1beta1.BrokersSpec{}, ZooKeeper: &v1beta1.ZooKeeperSpec{}}, ""},
	} {
		if got := FormatIDs(QuorumIDs(tc.spec)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestParseQuorum(t *testing.T) {
	const text = "0:AAAAAAAAQACAAAAAAAAAAA,3001:MkU3OEVBNTcwNTJENDM2Qg"
	quorum, err := ParseQuorum(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := FormatQuorum(quorum); got != text {
		t.Errorf("round trip: %q", got)
	}
	if quorum, err := ParseQuorum(""); quorum != nil || err != nil {
		t.Errorf("empty: %v, %v", quorum, err)
	}
	for _, bad := range []string{"0", "0:", "x:AAAAAAAAQACAAAAAAAAAAA", "-1:AAAAAAAAQACAAAAAAAAAAA", "0:short", "0:AAAAAAAAQACAAAAAAAAAA'", "0:AAAAAAAAQACAAAAAAAAAAA,"} {
		if _, err := ParseQuorum(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestProperties(t *testing.T) {
	for _, tc := range []struct{ key, value, want string }{
		{"a.b", "c d", "a.b=c d\n"},
		{"a", " leading", "a=\\ leading\n"},
		{"a", "x\nlog.dirs=/evil", "a=x\\nlog.dirs=/evil\n"},
		{"a", `c:\dir`, `a=c:\\dir` + "\n"},
		{"a", "größe 😀", `a=gr\u00F6\u00DFe \uD83D\uDE00` + "\n"},
		{"a b=c", "", `a\ b\=c=` + "\n"},
	} {
		if got := properties(map[string]string{tc.key: tc.value}); got != tc.want {
			t.Errorf("properties(%q: %q) = %q, want %q", tc.key, tc.value, got, tc.want)
		}
	}
}

func TestArgumentsAreQuotedForJava(t *testing.T) {
	got := arguments([]string{"-Xmx1g", `-Dx="a b\c"`, "#no comment\n"})
	want := "\"-Xmx1g\"\n\"-Dx=\\\"a b\\\\c\\\"\"\n\"#no comment\\n\"\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHeap(t *testing.T) {
	limit := func(s string) v1beta1.ResourceRequirements {
		return v1beta1.ResourceRequirements{Limits: v1beta1.ResourceList{corev1.ResourceMemory: resource.MustParse(s)}}
	}
	for _, tc := range []struct {
		name      string
		role      Role
		resources v1beta1.ResourceRequirements
		jvm       *v1beta1.JVMSpec
		want      int64
	}{
		{"stated", Broker, limit("64Gi"), &v1beta1.JVMSpec{Heap: ptr.To(resource.MustParse("6Gi"))}, 6 * gibibyte},
		{"half of the limit", Broker, limit("3Gi"), nil, 3 * gibibyte / 2},
		{"half of the limit, at most 4Gi: the page cache does the rest", Broker, limit("64Gi"), &v1beta1.JVMSpec{}, 4 * gibibyte},
		{"broker without limit", Broker, v1beta1.ResourceRequirements{}, nil, gibibyte},
		{"controller without limit", Controller, v1beta1.ResourceRequirements{}, nil, 512 * mebibyte},
		{"zookeeper without limit", ZooKeeper, v1beta1.ResourceRequirements{}, nil, 512 * mebibyte},
	} {
		if got := heapBytes(tc.role, tc.resources, tc.jvm); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestTheUsersCollectorReplacesOurs(t *testing.T) {
	count := func(options ...string) (n int) {
		for _, arg := range jvmArguments(Broker, "4.3.1", v1beta1.ResourceRequirements{}, &v1beta1.JVMSpec{Options: options}) {
			if collector.MatchString(arg) {
				n++
			}
		}
		return n
	}
	for _, options := range [][]string{nil, {"-XX:+UseZGC"}, {"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}} {
		if got := count(options...); got != 1 {
			t.Errorf("options %v: %d collectors, want 1", options, got)
		}
	}
}
