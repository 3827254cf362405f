package kafka

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// budget is the disruption budget of the brokers.
func (r *roller) budget() (allowed int, unhealthy policyv1.UnhealthyPodEvictionPolicyType) {
	r.t.Helper()
	b, err := r.host.PolicyV1().PodDisruptionBudgets("ns").Get(r.t.Context(), "c-kafka", metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	if b.Spec.UnhealthyPodEvictionPolicy != nil {
		unhealthy = *b.Spec.UnhealthyPodEvictionPolicy
	}
	return b.Spec.MaxUnavailable.IntValue(), unhealthy
}

func (r *roller) expectBudget(when string, want int) {
	r.t.Helper()
	if got, _ := r.budget(); got != want {
		r.t.Errorf("%s: %d disruptions are allowed, want %d", when, got, want)
	}
}

// look lets a cluster that was settled be looked at again.
func (r *roller) look() {
	time.Sleep(2 * time.Minute)
	r.settle()
}

func TestNoDrainTakesABrokerThatAPartitionNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.look()
		r.expectBudget("while all are in sync", 1)
		r.isr(0, 1)
		r.look()
		r.expectBudget("while two of three are in sync, and have to be", 0)
		if got := r.condition(v1beta1.ConditionUnderReplicated); got.Reason != reasonNotInSync || got.Message != "1 partition: orders-0" {
			t.Errorf("UnderReplicated = %+v", got)
		}
		r.clear()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := r.writes(); len(w) > 0 {
			t.Errorf("nothing changed, and was written: %v", w)
		}
		// Whoever cannot be asked changes nothing of what was known.
		r.brokers.set(func(k *brokers) { k.topicsErr = errors.New("too many topics") })
		r.look()
		r.condition(v1beta1.ConditionUnderReplicated)
		r.expectBudget("while nobody tells", 0)
		r.brokers.set(func(k *brokers) { k.topicsErr = nil })
		r.isr(0, 1, 2)
		r.look()
		r.expectBudget("in the end", 1)
		if c := meta.FindStatusCondition(r.kafka().Status.Conditions, v1beta1.ConditionUnderReplicated); c != nil {
			t.Errorf("UnderReplicated = %+v", c)
		}
	})
}

func TestPartitionsWithoutALeaderAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.brokers.set(func(k *brokers) {
			k.topics["lost"] = broker.Topic{Name: "lost", Partitions: []broker.Partition{{ID: 0, Leader: -1, Replicas: []int32{0}, ISR: []int32{0}}, {ID: 1, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}}}
		})
		r.look()
		if got := r.condition(v1beta1.ConditionOffline); got.Reason != reasonNoLeader || !strings.HasSuffix(got.Message, "1 partition: lost-0") {
			t.Errorf("Offline = %+v", got)
		}
	})
}

func TestABudgetForbidsWhileTheQuorumNeedsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.brokers.set(func(k *brokers) { k.quorum.Voters[2].Lag = 1000 })
		r.look()
		r.expectBudget("while a voter lags", 0)
		r.brokers.set(func(k *brokers) { k.quorum.Voters[2].Lag = 0 })
		r.look()
		r.expectBudget("when it has caught up", 1)
	})
}
