package validation

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

func TestValidateKafkaUpdate(t *testing.T) {
	for _, tc := range []struct {
		rule string
		old  func(*kafka.KafkaSpec)
		// change is made to the old spec.
		change func(*kafka.KafkaSpec)
		want   []refusal
	}{
		{rule: "a cluster grows", change: func(s *kafka.KafkaSpec) { s.Brokers.Replicas = ptr.To[int32](5) }},
		{rule: "its settings change", change: config("log.retention.ms", "1000")},
		{rule: "claims grow", change: func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("20Gi") }},
		{rule: "external addresses change", old: external("a:1"), change: external("b:1")},
		{"a spec stays valid", nil, func(s *kafka.KafkaSpec) { s.Version = "4.2.0" }, []refusal{{"spec.version", `"4.3.1"`}}},

		{"brokers' claims never shrink", nil, func(s *kafka.KafkaSpec) { s.Brokers.Storage = claims("9Gi") }, []refusal{{"spec.brokers.storage.size", "it has 10Gi"}}},
		{"controllers' claims never shrink", withControllers, func(s *kafka.KafkaSpec) { s.Controllers.Storage = claims("512Mi") }, []refusal{{"spec.controllers.storage.size", "it has 1Gi"}}},
		{"ZooKeeper's claims never shrink", withZooKeeper, func(s *kafka.KafkaSpec) { s.ZooKeeper.Storage = claims("512Mi") }, []refusal{{"spec.zookeeper.storage.size", "it has 1Gi"}}},
		{"the type of storage stays: brokers", nil, func(s *kafka.KafkaSpec) { s.Brokers.Storage = emptyDir() }, []refusal{{"spec.brokers.storage.type", "immutable"}}},
		{"the type of storage stays: controllers", func(s *kafka.KafkaSpec) {
			withControllers(s)
			s.Brokers.Storage = emptyDir()
		}, func(s *kafka.KafkaSpec) { s.Controllers.Storage = emptyDir() }, []refusal{{"spec.controllers.storage.type", "immutable"}}},
		{"the type of storage stays: ZooKeeper", func(s *kafka.KafkaSpec) {
			withZooKeeper(s)
			s.Brokers.Storage = emptyDir()
		}, func(s *kafka.KafkaSpec) { s.ZooKeeper.Storage = emptyDir() }, []refusal{{"spec.zookeeper.storage.type", "immutable"}}},
		{"the class stays", nil, func(s *kafka.KafkaSpec) { s.Brokers.Storage.Class = ptr.To("fast") }, []refusal{{"spec.brokers.storage.class", "immutable"}}},
		{"controllers' class stays", withControllers, func(s *kafka.KafkaSpec) { s.Controllers.Storage.Class = ptr.To("fast") }, []refusal{{"spec.controllers.storage.class", "immutable"}}},
		{"ZooKeeper's class stays", withZooKeeper, func(s *kafka.KafkaSpec) { s.ZooKeeper.Storage.Class = ptr.To("fast") }, []refusal{{"spec.zookeeper.storage.class", "immutable"}}},

		{"the quorum's size stays", withControllers, func(s *kafka.KafkaSpec) { s.Controllers.Replicas = ptr.To[int32](5) }, []refusal{{"spec.controllers.replicas", "immutable"}}},
		{"the ensemble's size stays", withZooKeeper, func(s *kafka.KafkaSpec) { s.ZooKeeper.Replicas = ptr.To[int32](1) }, []refusal{{"spec.zookeeper.replicas", "immutable"}}},

		{"combined nodes get no controllers", nil, withControllers, []refusal{{"spec.controllers", "this one is KRaftCombined"}}},
		{"controllers stay", withControllers, func(s *kafka.KafkaSpec) { s.Controllers = nil }, []refusal{{"spec.controllers", "this one is KRaft"}}},
		{"ZooKeeper stays", withZooKeeper, func(s *kafka.KafkaSpec) { s.ZooKeeper, s.Version = nil, "4.3.1" }, []refusal{{"spec.zookeeper", "this one is ZooKeeper"}}},
		{"ZooKeeper does not come", nil, withZooKeeper, []refusal{{"spec.zookeeper", "this one is KRaftCombined"}}},
		{"an external cluster stays so", external("a:1"), func(s *kafka.KafkaSpec) { *s = newKafka(nil).Spec }, []refusal{{"spec.external", "this one is External"}}},
		{"a cluster is not given away", nil, external("a:1"), []refusal{{"spec.external", "this one is KRaftCombined"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			old := newKafka(tc.old)
			next := old.DeepCopy()
			tc.change(&next.Spec)
			expect(t, ValidateKafkaUpdate(next, old), tc.want...)
		})
	}
}

// A size is compared with what the claims have, as soon as the controllers have told it.
func TestASizeThatClaimsNeverGotCanBeTakenBack(t *testing.T) {
	for _, tc := range []struct {
		name     string
		have, to string
		want     []refusal
	}{
		{"to what they have", "1Gi", "1Gi", nil},
		{"to something in between", "1Gi", "5Gi", nil},
		{"there are none yet", "0", "128Mi", nil},
		{"below what they have", "1Gi", "512Mi", []refusal{{"spec.brokers.storage.size", "it has 1Gi"}}},
		{"they have more than the spec says", "20Gi", "9Gi", []refusal{{"spec.brokers.storage.size", "it has 20Gi"}}},
		{"they have more than the spec says, which stays", "20Gi", "10Gi", nil},
		{"they have more than the spec says, which grows", "20Gi", "15Gi", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old := newKafka(withControllers)
			old.Status.Claims = []kafka.ClaimsStatus{{Component: "controller", Size: resource.MustParse("1Gi")}, {Component: "broker", Size: resource.MustParse(tc.have)}}
			next := old.DeepCopy()
			next.Spec.Brokers.Storage = claims(tc.to)
			expect(t, ValidateKafkaUpdate(next, old), tc.want...)
		})
	}
}

func TestThatAClusterHasServedIsNeverForgotten(t *testing.T) {
	old := newKafka(nil)
	for _, formed := range []*bool{nil, ptr.To(false), ptr.To(true)} {
		k := old.DeepCopy()
		k.Status.Formed = formed
		expect(t, ValidateKafkaStatusUpdate(k, old))
	}
	old.Status.Formed = ptr.To(true)
	for _, formed := range []*bool{nil, ptr.To(false)} {
		k := old.DeepCopy()
		k.Status.Formed = formed
		expect(t, ValidateKafkaStatusUpdate(k, old), refusal{"status.formed", "stays true"})
	}
}

// The quorum of combined nodes is on the first brokers: without them the cluster has no metadata.
func TestQuorumBrokersStay(t *testing.T) {
	old := newKafka(nil)
	old.Spec.Brokers.Replicas = ptr.To[int32](5)
	old.Status.Quorum = []kafka.QuorumVoter{{ID: 0}, {ID: 1}, {ID: 2}}
	for replicas, want := range map[int32][]refusal{
		3: nil,
		2: {{"spec.brokers.replicas", "the first 3 brokers"}},
	} {
		next := old.DeepCopy()
		next.Spec.Brokers.Replicas = ptr.To(replicas)
		expect(t, ValidateKafkaUpdate(next, old), want...)
	}
}

func TestValidateKafkaStatusUpdate(t *testing.T) {
	voters := []kafka.QuorumVoter{{ID: 0, DirectoryID: "a"}, {ID: 1, DirectoryID: "b"}, {ID: 2, DirectoryID: "c"}}
	for _, tc := range []struct {
		rule      string
		old, next kafka.KafkaStatus
		want      []refusal
	}{
		{rule: "a quorum is set once", next: kafka.KafkaStatus{Quorum: voters, ClusterID: "x"}},
		{rule: "counts change", old: kafka.KafkaStatus{Quorum: voters, ClusterID: "x"},
			next: kafka.KafkaStatus{Quorum: voters, ClusterID: "x", Brokers: kafka.BrokerCounts{Ready: 1}}},
		{rule: "a voter that was lost with its volume is replaced", old: kafka.KafkaStatus{Quorum: voters}, next: kafka.KafkaStatus{Quorum: voters[:2]}},
		{"a quorum never goes", kafka.KafkaStatus{Quorum: voters}, kafka.KafkaStatus{}, []refusal{{"status.quorum", "never forgotten"}}},
		{rule: "a voter comes back on a new volume", old: kafka.KafkaStatus{Quorum: voters},
			next: kafka.KafkaStatus{Quorum: []kafka.QuorumVoter{voters[0], voters[1], {ID: 2, DirectoryID: "d"}}}},
		{"a cluster id never changes", kafka.KafkaStatus{Quorum: voters, ClusterID: "x"}, kafka.KafkaStatus{Quorum: voters, ClusterID: "y"},
			[]refusal{{"status.clusterID", "never changes"}}},
		{rule: "an external cluster may be another one tomorrow", old: kafka.KafkaStatus{ClusterID: "x"}, next: kafka.KafkaStatus{ClusterID: "y"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			old, next := newKafka(nil), newKafka(nil)
			old.Status, next.Status = tc.old, tc.next
			expect(t, ValidateKafkaStatusUpdate(next, old), tc.want...)
		})
	}
}
