package kafka

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// A cluster whose quorum is gone goes on with records, and with nothing else.
func TestAQuorumThatDoesNotAnswerIsToldOf(t *testing.T) {
	leader, none := &broker.QuorumInfo{LeaderID: 1, Voters: []broker.QuorumReplica{{ID: 0}, {ID: 1}, {ID: 2}}}, &broker.QuorumInfo{LeaderID: -1}
	told := &metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: reasonNoQuorum}
	away := &metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: reasonNodesNotReady}
	for _, tc := range []struct {
		name     string
		of       func(*v1beta1.Kafka)
		quorum   *broker.QuorumInfo
		silent   time.Duration
		before   *metav1.Condition
		problems []problem
		want     string
		again    time.Duration
	}{
		{"it answers", persistent, leader, 0, nil, nil, reasonAsExpected, againSettled},
		{"it answers again", persistent, leader, 0, told, nil, reasonAsExpected, againSettled},
		{"it elects a leader", persistent, none, electionPatience - 1, nil, nil, reasonAsExpected, againWaiting},
		{"it has no leader", persistent, none, electionPatience, nil, nil, reasonNoQuorum, againWaiting},
		{"it does not answer", persistent, nil, electionPatience, nil, nil, reasonNoQuorum, againWaiting},
		{"told by a process that has ended", persistent, nil, 0, told, nil, reasonNoQuorum, againWaiting},
		{"something else was told", persistent, nil, 0, away, nil, reasonAsExpected, againWaiting},
		{"its nodes are down", dedicated, nil, electionPatience, away, nil, reasonNoQuorum, againWaiting},
		{"there is none", zooKeeper, nil, electionPatience, told, nil, reasonNodesNotReady, againSettled},
		{"a person has something to mend", persistent, nil, electionPatience, told, []problem{{Reason: "VolumeNotResized", Message: "no"}}, "VolumeNotResized", againWaiting},
	} {
		k := combined(tc.of)
		k.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: reasonReady},
			{Type: v1beta1.ConditionProgressing, Status: metav1.ConditionFalse, Reason: reasonSettled}}
		if tc.before != nil {
			k.Status.Conditions = append(k.Status.Conditions, *tc.before)
		}
		quorum := oldQuorum
		if k.Spec.Controllers != nil {
			quorum = []v1beta1.QuorumVoter{{ID: 3000}, {ID: 3001}, {ID: 3002}}
		}
		o := &observation{kafka: k, record: record{Mode: render.Mode(&k.Spec), Quorum: quorum}, info: &broker.ClusterInfo{Brokers: registered(false, 0, 1, 2)},
			quorum: tc.quorum, silent: tc.silent, problems: tc.problems, world: &world{pods: map[render.Role][]pod{}}}
		for i := range int32(3) {
			o.world.pods[render.Broker] = append(o.world.pods[render.Broker], pod{Ordinal: i, Ready: true})
		}
		status := statusOf(o, time.Now())
		conditions := map[string]metav1.Condition{}
		for _, c := range status.Conditions {
			conditions[c.Type] = c
		}
		got := conditions[v1beta1.ConditionDegraded]
		if got.Reason != tc.want || (got.Status == metav1.ConditionTrue) != (tc.want != reasonAsExpected) {
			t.Errorf("%s: Degraded is %s %s (%s), want %s", tc.name, got.Status, got.Reason, got.Message, tc.want)
		}
		if tc.want == reasonNoQuorum && !strings.Contains(got.Message, "no topic can be created") {
			t.Errorf("%s: what does not work is not said: %s", tc.name, got.Message)
		}
		if tc.name == "its nodes are down" && !strings.Contains(got.Message, "c-controller-0") {
			t.Errorf("%s: which is not said: %s", tc.name, got.Message)
		}
		if ready := conditions[v1beta1.ConditionReady]; ready.Status != metav1.ConditionTrue {
			t.Errorf("%s: records are read and written, and Ready is %s %s", tc.name, ready.Status, ready.Reason)
		}
		if again := again(o, status); again != tc.again {
			t.Errorf("%s: looked at again after %s, want %s", tc.name, again, tc.again)
		}
	}
}

func TestAQuorumIsGivenTheTimeOfAnElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.brokers.set(func(k *brokers) { k.info = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2)} })
		b.settle()
		answers := func() { b.brokers.set(func(k *brokers) { k.quorumErr = nil }) }
		looks := func() (n int) {
			b.brokers.set(func(k *brokers) { n = k.silent })
			return n
		}
		// fallsSilent ends when that was seen.
		fallsSilent := func() {
			t.Helper()
			b.brokers.set(func(k *brokers) { k.quorumErr, k.silent = errors.New("no leader"), 0 })
			for range 2 * againSettled / time.Second {
				if looks() > 0 {
					return
				}
				time.Sleep(time.Second)
				synctest.Wait()
			}
			t.Fatal("nobody asks the quorum")
		}
		expect := func(when string, want metav1.ConditionStatus, reason string) {
			t.Helper()
			if got := b.condition(v1beta1.ConditionDegraded); got.Status != want || got.Reason != reason {
				t.Errorf("%s: Degraded = %+v", when, got)
			}
			if got := b.condition(v1beta1.ConditionReady); got.Status != metav1.ConditionTrue {
				t.Errorf("%s: Ready = %+v", when, got)
			}
		}
		// Two elections, with an answer in between, are no longer silence.
		for range 2 {
			fallsSilent()
			expect("an election", metav1.ConditionFalse, reasonAsExpected)
			answers()
			b.settle()
		}
		fallsSilent()
		time.Sleep(2 * electionPatience)
		synctest.Wait()
		expect("gone", metav1.ConditionTrue, reasonNoQuorum)
		// Neither the next look nor the next process says that all is well.
		b.stop()
		b.start()
		expect("gone, in a new process", metav1.ConditionTrue, reasonNoQuorum)
		answers()
		b.settle()
		expect("back", metav1.ConditionFalse, reasonAsExpected)
	})
}
