package kafka

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

const (
	oldID  = "OldOldOldOldOldOldOldA"
	voterA = "AAAAAAAAQACAAAAAAAAAAA"
	voterB = "AAAAAAAAQACAAAAAAAAAAQ"
	voterC = "AAAAAAAAQACAAAAAAAAAAg"
)

var oldQuorum = []v1beta1.QuorumVoter{{ID: 0, DirectoryID: voterA}, {ID: 1, DirectoryID: voterB}, {ID: 2, DirectoryID: voterC}}

func combined(change ...func(*v1beta1.Kafka)) *v1beta1.Kafka {
	k := &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: "kafka-uid", Generation: 1},
		Spec:       v1beta1.KafkaSpec{Version: "4.3.1", Brokers: &v1beta1.BrokersSpec{Replicas: ptr.To[int32](3)}},
	}
	for _, f := range change {
		f(k)
	}
	v1beta1.SetObjectDefaults_Kafka(k)
	return k
}

func dedicated(k *v1beta1.Kafka) { k.Spec.Controllers = &v1beta1.ControllersSpec{} }
func zooKeeper(k *v1beta1.Kafka) {
	k.Spec.Version, k.Spec.ZooKeeper = "3.9.2", &v1beta1.ZooKeeperSpec{}
}

// claim is one as a predecessor left it.
func claim(role render.Role, ordinal int32, mode v1beta1.ClusterMode, id, quorum string, formed bool) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: render.ClaimName("c", role, ordinal),
		Labels: render.Labels("c", string(role)), Annotations: map[string]string{render.AnnotationMode: string(mode)},
	}}
	if id != "" {
		c.Annotations[render.AnnotationClusterID] = id
		c.Annotations[render.AnnotationQuorum] = quorum
	}
	if formed {
		c.Annotations[render.AnnotationFormed] = "true"
	}
	return c
}

func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("NewNewNewNewNewNewNe%dA", n) }
}

func TestIdentify(t *testing.T) {
	quorum := render.FormatQuorum(oldQuorum)
	left := func(ordinals ...int32) (out []*corev1.PersistentVolumeClaim) {
		for _, o := range ordinals {
			out = append(out, claim(render.Broker, o, v1beta1.ModeCombined, oldID, quorum, true))
		}
		return out
	}
	anchor := &record{Mode: v1beta1.ModeCombined, ClusterID: oldID, Quorum: oldQuorum, InitialBrokers: 5, Formed: []int32{0, 1, 2}}
	for _, tc := range []struct {
		name   string
		kafka  *v1beta1.Kafka
		known  *record
		claims []*corev1.PersistentVolumeClaim

		wantID, wantQuorum, wantFormed string
		wantInitial                    int32
		wantRefused                    string
	}{
		{
			name: "a new cluster gets an id, and a directory id for each voter", kafka: combined(),
			wantID:      "NewNewNewNewNewNewNe1A",
			wantQuorum:  "0:NewNewNewNewNewNewNe2A,1:NewNewNewNewNewNewNe3A,2:NewNewNewNewNewNewNe4A",
			wantInitial: 3,
		},
		{
			name: "the anchor knows best, also what the first brokers were", kafka: combined(), known: anchor, claims: left(0, 1, 2),
			wantID: oldID, wantQuorum: quorum, wantFormed: "0,1,2", wantInitial: 5,
		},
		{
			name: "a Kafka created again adopts from retained claims", kafka: combined(), claims: left(0, 1, 2),
			wantID: oldID, wantQuorum: quorum, wantFormed: "0,1,2", wantInitial: 3,
		},
		{
			name: "a voter whose claim is gone has formed and will observe", kafka: combined(), claims: left(0, 2),
			wantID: oldID, wantQuorum: quorum, wantFormed: "0,1,2", wantInitial: 3,
		},
		{
			name: "the metadata is lost with the majority of the quorum", kafka: combined(), claims: left(0),
			wantRefused: reasonQuorumLost,
		},
		{
			name: "brokers' data without its dedicated quorum", kafka: combined(dedicated),
			claims: []*corev1.PersistentVolumeClaim{
				claim(render.Broker, 0, v1beta1.ModeDedicated, oldID, "3000:"+voterA+",3001:"+voterB+",3002:"+voterC, true)},
			wantRefused: reasonQuorumLost,
		},
		{
			name: "a dedicated quorum is adopted", kafka: combined(dedicated),
			claims: []*corev1.PersistentVolumeClaim{
				claim(render.Broker, 0, v1beta1.ModeDedicated, oldID, "3000:"+voterA+",3001:"+voterB+",3002:"+voterC, true),
				claim(render.Controller, 0, v1beta1.ModeDedicated, oldID, "3000:"+voterA+",3001:"+voterB+",3002:"+voterC, true),
				claim(render.Controller, 1, v1beta1.ModeDedicated, oldID, "3000:"+voterA+",3001:"+voterB+",3002:"+voterC, false)},
			wantID: oldID, wantQuorum: "3000:" + voterA + ",3001:" + voterB + ",3002:" + voterC, wantFormed: "3000,3002", wantInitial: 3,
		},
		{
			name: "claims that nobody used yet are adopted without a majority", kafka: combined(),
			claims: []*corev1.PersistentVolumeClaim{claim(render.Broker, 0, v1beta1.ModeCombined, oldID, quorum, false)},
			wantID: oldID, wantQuorum: quorum, wantInitial: 3,
		},
		{
			name: "claims of two clusters", kafka: combined(),
			claims: []*corev1.PersistentVolumeClaim{
				claim(render.Broker, 0, v1beta1.ModeCombined, oldID, quorum, true),
				claim(render.Broker, 1, v1beta1.ModeCombined, voterA, quorum, true)},
			wantRefused: reasonClaimsConflict,
		},
		{
			name: "claims of another mode", kafka: combined(dedicated), claims: left(0, 1, 2),
			wantRefused: reasonClaimsConflict,
		},
		{
			name:  "claims that contradict the status",
			kafka: combined(func(k *v1beta1.Kafka) { k.Status.ClusterID, k.Status.Quorum = voterC, oldQuorum }), claims: left(0, 1, 2),
			wantRefused: reasonClaimsConflict,
		},
		{
			name:   "the status restores a lost anchor",
			kafka:  combined(func(k *v1beta1.Kafka) { k.Status.ClusterID, k.Status.Quorum = oldID, oldQuorum }),
			wantID: oldID, wantQuorum: quorum, wantInitial: 3,
		},
		{
			name:  "an anchor that contradicts the status",
			kafka: combined(func(k *v1beta1.Kafka) { k.Status.ClusterID, k.Status.Quorum = voterC, oldQuorum }), known: anchor,
			wantRefused: reasonIdentity,
		},
		{
			name: "an anchor of another mode", kafka: combined(zooKeeper), known: anchor,
			wantRefused: reasonIdentity,
		},
		{
			name: "a quorum that would break a start script is not adopted", kafka: combined(),
			claims:     []*corev1.PersistentVolumeClaim{claim(render.Broker, 0, v1beta1.ModeCombined, oldID, "0:'$(reboot)'", false)},
			wantID:     "NewNewNewNewNewNewNe1A",
			wantQuorum: "0:NewNewNewNewNewNewNe2A,1:NewNewNewNewNewNewNe3A,2:NewNewNewNewNewNewNe4A", wantInitial: 3,
		},
		{
			name: "ZooKeeper's brokers choose their own id", kafka: combined(zooKeeper), wantInitial: 3,
		},
		{
			name: "ZooKeeper members that served", kafka: combined(zooKeeper),
			claims: []*corev1.PersistentVolumeClaim{
				claim(render.Broker, 0, v1beta1.ModeZooKeeper, "", "", true),
				claim(render.ZooKeeper, 0, v1beta1.ModeZooKeeper, "", "", true),
				claim(render.ZooKeeper, 1, v1beta1.ModeZooKeeper, "", "", true)},
			wantFormed: "1,2,3", wantInitial: 3,
		},
		{
			name: "brokers' data without its ensemble", kafka: combined(zooKeeper),
			claims:      []*corev1.PersistentVolumeClaim{claim(render.Broker, 0, v1beta1.ModeZooKeeper, "", "", true)},
			wantRefused: reasonQuorumLost,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _, refused := identify(tc.kafka, tc.known, tc.claims, counter())
			if tc.wantRefused != "" {
				if refused == nil || refused.Reason != tc.wantRefused {
					t.Fatalf("refused = %+v, want %s", refused, tc.wantRefused)
				}
				return
			}
			if refused != nil {
				t.Fatalf("refused: %+v", refused)
			}
			if r.ClusterID != tc.wantID || render.FormatQuorum(r.Quorum) != tc.wantQuorum || render.FormatIDs(r.Formed) != tc.wantFormed || r.InitialBrokers != tc.wantInitial {
				t.Errorf("got id %q, quorum %q, formed %q, %d brokers; want %q, %q, %q, %d", r.ClusterID, render.FormatQuorum(r.Quorum),
					render.FormatIDs(r.Formed), r.InitialBrokers, tc.wantID, tc.wantQuorum, tc.wantFormed, tc.wantInitial)
			}
			if r.KafkaUID != tc.kafka.UID {
				t.Errorf("recorded for %q", r.KafkaUID)
			}
		})
	}
}

func TestRecordSurvivesTheAnchor(t *testing.T) {
	r := record{KafkaUID: "u", Storage: "s", Mode: v1beta1.ModeCombined, ClusterID: oldID, Quorum: oldQuorum, InitialBrokers: 3, Formed: []int32{0, 2}}
	got, err := readRecord(&corev1.ConfigMap{Data: r.data()})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", r) {
		t.Errorf("got %+v, want %+v", *got, r)
	}
	for key, value := range map[string]string{keyClusterID: "x", keyQuorum: "1", keyInitialBrokers: "", keyFormed: "a"} {
		data := r.data()
		data[key] = value
		if _, err := readRecord(&corev1.ConfigMap{Data: data}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%q: error %v", key, value, err)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		id := NewID()
		if !render.ValidID(id) || id[0] == '-' || seen[id] {
			t.Fatalf("bad id %q", id)
		}
		seen[id] = true
	}
}
