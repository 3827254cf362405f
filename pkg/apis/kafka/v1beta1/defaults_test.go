package v1beta1

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/utils/ptr"
)

func TestKafkaDefaults(t *testing.T) {
	for _, tc := range []struct {
		name       string
		spec, want KafkaSpec
	}{
		{
			"three combined brokers of the newest release on claims",
			KafkaSpec{Brokers: &BrokersSpec{}},
			KafkaSpec{Version: "4.3.1", Brokers: &BrokersSpec{Replicas: ptr.To[int32](3), Storage: StorageSpec{Type: PersistentClaim}}},
		},
		{
			"dedicated controllers are three, on claims",
			KafkaSpec{Brokers: &BrokersSpec{}, Controllers: &ControllersSpec{}},
			KafkaSpec{
				Version:     "4.3.1",
				Brokers:     &BrokersSpec{Replicas: ptr.To[int32](3), Storage: StorageSpec{Type: PersistentClaim}},
				Controllers: &ControllersSpec{Replicas: ptr.To[int32](3), Storage: StorageSpec{Type: PersistentClaim}},
			},
		},
		{
			"ZooKeeper picks the release that still has it",
			KafkaSpec{Brokers: &BrokersSpec{}, ZooKeeper: &ZooKeeperSpec{}},
			KafkaSpec{
				Version:   "3.9.2",
				Brokers:   &BrokersSpec{Replicas: ptr.To[int32](3), Storage: StorageSpec{Type: PersistentClaim}},
				ZooKeeper: &ZooKeeperSpec{Replicas: ptr.To[int32](3), Storage: StorageSpec{Type: PersistentClaim}},
			},
		},
		{
			"what the user chose stays",
			KafkaSpec{
				Version: "3.9.2",
				Brokers: &BrokersSpec{Replicas: ptr.To[int32](0), Storage: StorageSpec{Type: Ephemeral}},
			},
			KafkaSpec{
				Version: "3.9.2",
				Brokers: &BrokersSpec{Replicas: ptr.To[int32](0), Storage: StorageSpec{Type: Ephemeral}},
			},
		},
		{
			"nothing is known of an external cluster",
			KafkaSpec{External: &ExternalSpec{BootstrapServers: []string{"kafka.example.com:9092"}}},
			KafkaSpec{External: &ExternalSpec{BootstrapServers: []string{"kafka.example.com:9092"}}},
		},
		{
			"the entries of a Secret are those of its usual type",
			KafkaSpec{External: &ExternalSpec{TLS: &ExternalTLS{CASecretRef: &SecretKeyReference{Name: "ca"}},
				Authentication: &ExternalAuthentication{SecretRef: UserSecretReference{Name: "login"}}}},
			KafkaSpec{External: &ExternalSpec{TLS: &ExternalTLS{CASecretRef: &SecretKeyReference{Name: "ca", Key: "ca.crt"}},
				Authentication: &ExternalAuthentication{SecretRef: UserSecretReference{Name: "login", UsernameKey: "username", PasswordKey: "password"}}}},
		},
		{
			"a user's name that is given is not looked for",
			KafkaSpec{External: &ExternalSpec{Authentication: &ExternalAuthentication{Username: "alice", SecretRef: UserSecretReference{Name: "login", PasswordKey: "pass"}}}},
			KafkaSpec{External: &ExternalSpec{Authentication: &ExternalAuthentication{Username: "alice", SecretRef: UserSecretReference{Name: "login", PasswordKey: "pass"}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := &Kafka{Spec: tc.spec}
			SetObjectDefaults_Kafka(k)
			if !equality.Semantic.DeepEqual(k.Spec, tc.want) {
				t.Error(diff.Diff(tc.want, k.Spec))
			}
			again := k.DeepCopy()
			SetObjectDefaults_Kafka(again)
			if !equality.Semantic.DeepEqual(again, k) {
				t.Errorf("defaulting twice is not defaulting once: %s", diff.Diff(k, again))
			}
		})
	}
}

func TestKafkaTopicDefaults(t *testing.T) {
	for _, tc := range []struct {
		name      string
		set, want KafkaTopicSpec
	}{
		// Partitions and replicas stay open: the brokers' own defaults decide.
		{"a topic is kept as specified", KafkaTopicSpec{}, KafkaTopicSpec{DriftPolicy: DriftRevert}},
		{"what the user chose stays", KafkaTopicSpec{DriftPolicy: DriftReport, DeletionPolicy: TopicRetain},
			KafkaTopicSpec{DriftPolicy: DriftReport, DeletionPolicy: TopicRetain}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := &KafkaTopic{Spec: tc.set}
			SetObjectDefaults_KafkaTopic(topic)
			if !equality.Semantic.DeepEqual(topic.Spec, tc.want) {
				t.Error(diff.Diff(tc.want, topic.Spec))
			}
		})
	}
}

// Earlier releases wrote an id of nothing but zeros for topics of brokers that give none.
func TestNoTopicIDIsNone(t *testing.T) {
	const one = "AAAAAAAAAAAAAAAAAAAAAQ"
	for id, want := range map[string]string{"": "", "AAAAAAAAAAAAAAAAAAAAAA": "", one: one} {
		list := &KafkaTopicList{Items: []KafkaTopic{{Status: KafkaTopicStatus{TopicID: id, ReplacementID: id}}}}
		SetObjectDefaults_KafkaTopicList(list)
		if got := list.Items[0].Status; got.TopicID != want || got.ReplacementID != want {
			t.Errorf("%q is read as %q and %q, want %q", id, got.TopicID, got.ReplacementID, want)
		}
	}
}
