package kafka

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// edit changes the spec as a user does.
func (b *bench) edit(change func(*v1beta1.BrokersSpec)) {
	b.t.Helper()
	k := b.kafka()
	k.Generation++
	change(k.Spec.Brokers)
	if _, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Update(b.t.Context(), k, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
	b.settle()
}

// A StorageClass that cannot expand refuses a size. That holds back the claims, not what else is edited, and the status says what the
// claims have, so that the API server lets the size be taken back.
func TestARefusedSizeHoldsBackItselfOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()
		b.host.PrependReactor("patch", "persistentvolumeclaims", func(action clienttesting.Action) (bool, runtime.Object, error) {
			patch := action.(clienttesting.PatchAction)
			if strings.Contains(string(patch.GetPatch()), `"requests"`) {
				return true, nil, apierrors.NewForbidden(corev1.Resource("persistentvolumeclaims"), patch.GetName(), errors.New("only dynamically provisioned pvc can be resized"))
			}
			return false, nil, nil
		})
		if got := b.kafka().Status.Claims; len(got) != 1 || got[0].Component != "broker" || !got[0].Size.IsZero() {
			t.Errorf("without a claim the status says %v", got)
		}
		b.run("broker", 0, 1, 2)
		b.brokers.set(func(k *brokers) { k.info = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2)} })
		b.settle()

		b.edit(func(s *v1beta1.BrokersSpec) { s.Storage.Size = ptr.To(resource.MustParse("2Gi")) })
		b.edit(func(s *v1beta1.BrokersSpec) { s.Config = v1beta1.BrokerConfig{"log.retention.ms": "1"} })
		b.edit(func(s *v1beta1.BrokersSpec) { s.Replicas = ptr.To[int32](4) })
		if got := b.condition(v1beta1.ConditionDegraded); got.Reason != reasonResizeRefused || !strings.Contains(got.Message, "dynamically provisioned") {
			t.Errorf("Degraded = %+v", got)
		}
		if got := b.kafka().Status.Claims; len(got) != 1 || got[0].Size.String() != "1Gi" {
			t.Errorf("the claims have 1Gi, the status says %v", got)
		}
		set, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage().String(); got != "1Gi" || *set.Spec.Replicas != 4 {
			t.Errorf("the StatefulSet has claims of %s and %d pods, want 1Gi and 4", got, *set.Spec.Replicas)
		}

		b.edit(func(s *v1beta1.BrokersSpec) { s.Storage.Size = ptr.To(resource.MustParse("1Gi")) })
		if got := b.condition(v1beta1.ConditionDegraded); got.Reason == reasonResizeRefused {
			t.Errorf("taken back: Degraded = %+v", got)
		}
	})
}

// No broker hosts anything before one has ever served, so all that are too many go.
func TestBrokersThatNeverCameUpCanGo(t *testing.T) {
	for name, mode := range map[string]func(*v1beta1.Kafka){"combined": func(*v1beta1.Kafka) {}, "controllers": dedicated, "ZooKeeper": zooKeeper} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil, combined(mode, persistent, func(k *v1beta1.Kafka) { k.Spec.Brokers.Replicas = ptr.To[int32](5) }))
				defer func() { b.stop() }()
				b.brokers.set(func(k *brokers) { k.err = errors.New("connection refused") })
				formed := func() *bool { return b.kafka().Status.Formed }
				replicas := func() int32 {
					set, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{})
					if err != nil {
						t.Fatal(err)
					}
					return *set.Spec.Replicas
				}
				if got := formed(); got == nil || *got {
					t.Fatalf("formed is %v before anything ran", ptr.Deref(got, true))
				}
				b.edit(func(s *v1beta1.BrokersSpec) { s.Replicas = ptr.To[int32](4) })
				if got := replicas(); got != 4 {
					t.Errorf("%d pods, want 4", got)
				}
				// One of them serves for a moment, and is gone again.
				b.run("broker", 0)
				b.settle()
				if err := b.host.CoreV1().Pods("ns").Delete(t.Context(), "c-kafka-0", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				b.settle()
				if got := formed(); got == nil || !*got {
					t.Error("that a broker served is forgotten")
				}
				b.edit(func(s *v1beta1.BrokersSpec) { s.Replicas = ptr.To[int32](3) })
				if got := replicas(); got != 4 {
					t.Errorf("%d pods, want 4: nobody answers what the fourth hosts", got)
				}
			})
		})
	}
}

// The host's words may be long. They are stored cut, and are no other words the next time.
func TestMessagesHaveABound(t *testing.T) {
	long := metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: reasonResizeRefused, Message: strings.Repeat("claim ", 100000)}
	var status v1beta1.KafkaStatus
	setConditions(&status, time.Now(), long)
	stored := status.DeepCopy()
	setConditions(&status, time.Now(), long)
	if n := len(stored.Conditions[0].Message); n > 4096 || n < 4000 || !equality.Semantic.DeepEqual(&status, stored) {
		t.Errorf("the message has %d bytes, and then %d", n, len(status.Conditions[0].Message))
	}
}
