package kafka

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

var kafkaResource = schema.GroupResource{Group: v1beta1.GroupName, Resource: "kafkas"}

func TestOnlyADeletedKafkaTakesItsClusterAlong(t *testing.T) {
	notFound := apierrors.NewNotFound(kafkaResource, "c")
	for _, tc := range []struct {
		name string
		a    absence
		want bool
	}{
		{"seen being deleted", absence{Get: notFound, Seen: true}, true},
		{"deleted while nobody looked, in the storage that held it", absence{Get: notFound, Recorded: "s", Current: "s"}, true},
		{"wrapped", absence{Get: fmt.Errorf("get: %w", notFound), Seen: true}, true},
		{"it is there after all", absence{Seen: true, Recorded: "s", Current: "s"}, false},
		{"nobody saw it, storage never recorded", absence{Get: notFound, Current: "s"}, false},
		{"nobody saw it, storage of today unknown", absence{Get: notFound, Recorded: "s"}, false},
		{"another storage", absence{Get: notFound, Recorded: "s", Current: "t"}, false},
		{"another storage, although seen", absence{Get: notFound, Seen: true, Recorded: "s", Current: "t"}, false},
		{"the storage was emptied: 503", absence{Get: apierrors.NewServiceUnavailable("not ours"), Seen: true, Recorded: "s", Current: "s"}, false},
		{"the API is not served: 404 of the host", absence{
			Get: apierrors.NewGenericServerResponse(http.StatusNotFound, "get", kafkaResource, "c", "404 page not found", 0, true), Seen: true, Recorded: "s", Current: "s"}, false},
		{"404 for something else", absence{Get: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "c"), Seen: true}, false},
		{"404 for another name", absence{Get: apierrors.NewNotFound(kafkaResource, "d"), Seen: true}, false},
		{"forbidden", absence{Get: apierrors.NewForbidden(kafkaResource, "c", errors.New("no")), Seen: true}, false},
		{"no answer", absence{Get: errors.New("connection refused"), Seen: true, Recorded: "s", Current: "s"}, false},
	} {
		tc.a.Name = "c"
		if got, why := tc.a.verdict(); got != tc.want {
			t.Errorf("%s: deleted = %v (%s), want %v", tc.name, got, why, tc.want)
		}
	}
}

func TestDecideScale(t *testing.T) {
	voters := []int32{0, 1, 2}
	for _, tc := range []struct {
		name             string
		desired, current int32
		voters           []int32
		hosts            map[int32]int
		fresh            bool
		want             int32
		blocked          bool
	}{
		{"creation", 3, 0, voters, nil, false, 3, false},
		{"nothing to do", 3, 3, voters, nil, false, 3, false},
		{"out, without asking anybody", 5, 3, voters, nil, false, 5, false},
		{"in, empty brokers", 3, 5, voters, map[int32]int{0: 9, 1: 9, 2: 9}, false, 3, false},
		{"in, brokers do not answer", 3, 5, voters, nil, false, 5, true},
		{"in, no broker has ever served", 3, 5, voters, nil, true, 3, false},
		{"in, no broker has ever served, below the voters", 1, 5, voters, nil, true, 3, true},
		{"in, the last one is empty", 3, 5, voters, map[int32]int{3: 1}, false, 4, true},
		{"in, one in between is empty", 3, 6, voters, map[int32]int{3: 0, 4: 2}, false, 5, true},
		{"in, below the voters", 1, 4, voters, map[int32]int{}, false, 3, true},
		{"a broker that left hosts something: it comes back", 3, 3, voters, map[int32]int{4: 1}, false, 5, true},
		{"dedicated quorum: down to one", 1, 3, nil, map[int32]int{0: 5}, false, 1, false},
	} {
		got := decideScale(tc.desired, tc.current, tc.voters, !tc.fresh, tc.hosts)
		if got.Brokers != tc.want || (got.Blocked != "") != tc.blocked {
			t.Errorf("%s: %+v, want %d brokers, blocked %v", tc.name, got, tc.want, tc.blocked)
		}
	}
}

func TestLeft(t *testing.T) {
	info := broker.ClusterInfo{KRaft: true, Brokers: []broker.BrokerInfo{
		{ID: 0}, {ID: 2, Fenced: true}, {ID: 3, Fenced: true}, {ID: 4}, {ID: 5, Fenced: true}, {ID: 6, Fenced: true},
	}}
	// 2 is only restarting, 4 has not stopped, 5 has a pod, 6 hosts a replica.
	if got := left(info, 3, []int32{0, 1, 2, 5}, map[int32]int{6: 1}); !slices.Equal(got, []int32{3}) {
		t.Errorf("left = %v, want [3]", got)
	}
	if got := left(info, 3, nil, nil); got != nil {
		t.Errorf("without knowing who hosts what: %v", got)
	}
	info.KRaft = false
	if got := left(info, 3, nil, map[int32]int{}); got != nil {
		t.Errorf("ZooKeeper has no registrations: %v", got)
	}
}

func TestClaimPatch(t *testing.T) {
	c := claim(render.Broker, 0, v1beta1.ModeCombined, oldID, "", false)
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	for _, tc := range []struct {
		name   string
		size   string
		formed bool
		want   string
	}{
		{"same size", "1024Mi", false, ""},
		{"smaller is never asked for", "512Mi", false, ""},
		{"grows", "2Gi", false, `{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}`},
		{"serves", "1Gi", true, `{"metadata":{"annotations":{"kafka.openshift.io/formed":"true"}}}`},
	} {
		got, err := claimPatch(c, ptr.To(resource.MustParse(tc.size)), tc.formed)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
}

func TestContains(t *testing.T) {
	type m = map[string]any
	type l = []any
	for _, tc := range []struct {
		name          string
		live, desired any
		want          bool
	}{
		{"defaults in live do not matter", m{"a": 1, "defaulted": true}, m{"a": 1}, true},
		{"changed", m{"a": 2}, m{"a": 1}, false},
		{"missing", m{}, m{"a": 1}, false},
		{"empty may be absent", m{}, m{"a": m{}, "b": l{}, "c": false, "d": ""}, true},
		{"appended elements do not matter", m{"a": l{1, 2}}, m{"a": l{1}}, true},
		{"missing element", m{"a": l{1}}, m{"a": l{1, 2}}, false},
		{"changed element", m{"a": l{m{"x": 1}}}, m{"a": l{m{"x": 2}}}, false},
		{"a cached object has no kind", m{"metadata": m{}}, m{"kind": "Service", "apiVersion": "v1"}, true},
		{"another kind", m{"kind": "Secret"}, m{"kind": "ConfigMap"}, false},
		{"quantities", m{"q": resource.MustParse("1024Mi")}, m{"q": resource.MustParse("1Gi")}, true},
	} {
		got, err := contains(tc.live, tc.desired)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
}

func TestAPodThatIsBeingDeletedDoesNotServe(t *testing.T) {
	p := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	if !ready(p) {
		t.Error("a ready pod is not ready")
	}
	p.DeletionTimestamp = ptr.To(metav1.Now())
	if ready(p) {
		t.Error("a pod on its way out is ready")
	}
}

// What the leader of a real quorum said after a voter had lost its volume.
func TestLostVoters(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	voters := []broker.QuorumReplica{{ID: 0, LastFetch: at(100)}, {ID: 1, LastFetch: at(100)}, {ID: 2, LastFetch: at(99)}}
	for _, tc := range []struct {
		name   string
		quorum *broker.QuorumInfo
		want   string
	}{
		{"nobody answers", nil, ""},
		{"all vote", &broker.QuorumInfo{LeaderID: 0, Voters: voters}, ""},
		{"brokers observe", &broker.QuorumInfo{LeaderID: 0, Voters: voters, Observers: []broker.QuorumReplica{{ID: 3, LastFetch: at(100)}}}, ""},
		{"one was removed", &broker.QuorumInfo{LeaderID: 0, Voters: voters[:2]}, "2"},
		{"one observes with a new volume", &broker.QuorumInfo{LeaderID: 0, Voters: []broker.QuorumReplica{voters[0], {ID: 1, LastFetch: at(40)}, voters[2]},
			Observers: []broker.QuorumReplica{{ID: 1, LastFetch: at(100)}}}, "1"},
		{"it has joined again, and its former self is still listed", &broker.QuorumInfo{LeaderID: 0, Voters: voters,
			Observers: []broker.QuorumReplica{{ID: 1, LastFetch: at(40)}}}, ""},
		{"no leader", &broker.QuorumInfo{LeaderID: -1, Voters: voters[:1]}, ""},
	} {
		o := &observation{record: record{Mode: v1beta1.ModeCombined, Quorum: oldQuorum}, quorum: tc.quorum}
		if got := render.FormatIDs(lostVoters(o)); got != tc.want {
			t.Errorf("%s: lost = %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Brokers that are registered do not always reach the active controller, which makes topics.
func TestAClusterBecomesReadyWithItsQuorum(t *testing.T) {
	leader, none := &broker.QuorumInfo{LeaderID: 1}, &broker.QuorumInfo{LeaderID: -1}
	for _, tc := range []struct {
		name     string
		mode     v1beta1.ClusterMode
		quorum   *broker.QuorumInfo
		wasReady bool
		want     string
	}{
		{"it answers", v1beta1.ModeDedicated, leader, false, reasonReady},
		{"it does not answer", v1beta1.ModeDedicated, nil, false, reasonNoQuorum},
		{"it has no leader", v1beta1.ModeCombined, none, false, reasonNoQuorum},
		{"it elects a leader later", v1beta1.ModeCombined, none, true, reasonReady},
		{"it does not answer later", v1beta1.ModeDedicated, nil, true, reasonReady},
		{"there is none", v1beta1.ModeZooKeeper, nil, false, reasonReady},
	} {
		o := &observation{record: record{Mode: tc.mode}, info: &broker.ClusterInfo{Brokers: registered(false, 0, 1, 2)}, quorum: tc.quorum}
		got := readyCondition(o, v1beta1.BrokerCounts{Desired: 3, Ready: 3}, tc.wasReady)
		if got.Reason != tc.want || (got.Status == metav1.ConditionTrue) != (tc.want == reasonReady) {
			t.Errorf("%s: Ready is %s %s (%s), want %s", tc.name, got.Status, got.Reason, got.Message, tc.want)
		}
	}
}

// Texts about one broker speak of one.
func TestReadyOfOneBroker(t *testing.T) {
	well := &observation{record: record{Mode: v1beta1.ModeZooKeeper}, info: &broker.ClusterInfo{Brokers: registered(false, 0)}}
	lone := &observation{record: well.record, info: &broker.ClusterInfo{}}
	pair := &observation{record: well.record, info: &broker.ClusterInfo{Brokers: registered(false, 0)}}
	for want, got := range map[string]metav1.Condition{
		"0 of 1 broker pod is ready":                                                   readyCondition(well, v1beta1.BrokerCounts{Desired: 1}, false),
		"the broker is ready and registered":                                           readyCondition(well, v1beta1.BrokerCounts{Desired: 1, Ready: 1}, false),
		"the broker pod is ready, broker 0 is not registered with the cluster":         readyCondition(lone, v1beta1.BrokerCounts{Desired: 1, Ready: 1}, false),
		"all 2 broker pods are ready, broker 1 is not registered with the cluster":     readyCondition(pair, v1beta1.BrokerCounts{Desired: 2, Ready: 2}, false),
		"all 3 broker pods are ready, brokers 1,2 are not registered with the cluster": readyCondition(pair, v1beta1.BrokerCounts{Desired: 3, Ready: 3}, false),
	} {
		if got.Message != want {
			t.Errorf("%q, want %q", got.Message, want)
		}
	}
}

// Who is about to go is asked about of two brokers, one of which may not have heard of a replica.
func TestHostingIsTheMostThatABrokerTells(t *testing.T) {
	on := func(replicas ...int32) *broker.Snapshot {
		snapshot := brokertest.Snapshot(map[string]broker.Topic{"orders": {Name: "orders", Partitions: []broker.Partition{{Replicas: replicas}}}})
		return &snapshot
	}
	hosts := hosting(on(0, 1), on(1, 3))
	if got := decideScale(3, 4, nil, true, hosts); got.Brokers != 4 {
		t.Errorf("%+v with %v: broker 3 hosts a replica", got, hosts)
	}
	if got := decideScale(3, 4, nil, true, hosting(on(0, 1), on(0, 1))); got.Brokers != 3 {
		t.Errorf("%+v: broker 3 hosts nothing", got)
	}
}
