package kafkatopic_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// onlyWarning returns the one warning that a client got.
func onlyWarning(t *testing.T, warnings *apiservertest.Warnings) string {
	t.Helper()
	texts := warnings.Take()
	if len(texts) != 1 {
		t.Errorf("warnings are %q, want one", texts)
	}
	return strings.Join(texts, "; ")
}

func TestBrokersThatAreAwayDoNotStopACreate(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.Refuse()
	client, warnings := server.Warned(t)
	created, err := create(client, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, created, metav1.ConditionFalse, "ClusterUnreachable")
	if text := onlyWarning(t, warnings); !strings.Contains(text, "when the brokers can be reached") {
		t.Errorf("the warning is %q", text)
	}
	if stored := mustGet(t, created); stored.ResourceVersion != created.ResourceVersion {
		t.Error("the answer is not what is stored")
	}
	if got := claimsOn(t, k); !slices.Equal(got, []string{"orders"}) {
		t.Errorf("claims are %v", got)
	}
	// So does a change, which asks nobody either as far as the object itself tells that it is wrong.
	created.Spec.Partitions = ptr.To[int32](6)
	grown, err := topicsOf(client, k).Update(t.Context(), created, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, grown, metav1.ConditionFalse, "ClusterUnreachable")
	onlyWarning(t, warnings)
	// A wish that the brokers never heard of can be taken back, and a topic that was not made yet can have other numbers; one that was
	// made cannot have fewer.
	grown.Spec.Partitions, grown.Spec.Replicas = ptr.To[int32](2), ptr.To[int32](1)
	if _, err = topicsOf(client, k).Update(t.Context(), grown, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
	other := server.NewKafka(t, 3)
	made := mustCreate(t, newTopic(other, "made"))
	other.Refuse()
	made.Spec.Partitions = ptr.To[int32](12)
	if made, err = topicsOf(client, other).Update(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	made.Spec.Partitions = ptr.To[int32](3)
	if made, err = topicsOf(client, other).Update(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	made.Spec.Partitions = ptr.To[int32](2)
	_, err = topicsOf(client, other).Update(t.Context(), made, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "spec.partitions", "has 3 partitions")
	made.Spec.Partitions = ptr.To[int32](3)
	made.Spec.Replicas = ptr.To[int32](1)
	_, err = topicsOf(client, other).Update(t.Context(), made, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "spec.replicas", "not served yet", "has 2")
}

func TestAClusterThatIsNotUpYetTakesTopics(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	if _, err := server.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "k"},
		Spec:       v1beta1.KafkaSpec{Brokers: &v1beta1.BrokersSpec{Storage: v1beta1.StorageSpec{Type: v1beta1.Ephemeral}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	client, warnings := server.Warned(t)
	created, err := create(client, &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: namespace},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, created, metav1.ConditionFalse, "ClusterUnreachable")
	if text := onlyWarning(t, warnings); !strings.Contains(text, "not up yet") {
		t.Errorf("the warning is %q", text)
	}
	_, err = client.KafkaV1beta1().KafkaTopics(namespace).GetScale(t.Context(), "orders", metav1.GetOptions{})
	expectStatus(t, err, 503, "not up yet")
}

// remembered is longer than the gateway remembers that a broker does not answer.
const remembered = 2 * time.Second

// The bounds are promises, so this server has the timeouts of production.
func TestLiveSubresourcesGiveUpWithinSixSeconds(t *testing.T) {
	t.Parallel()
	clock := &apiservertest.Clock{}
	strict, err := apiservertest.Start(apiservertest.Options{Gateway: &broker.Options{Clock: clock}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(strict.Close)
	for name, cut := range map[string]func(*apiservertest.Kafka){"refusing": (*apiservertest.Kafka).Refuse, "silent": (*apiservertest.Kafka).Vanish} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := strict.NewKafka(t, 3)
			if _, err := create(strict.Client, newTopic(k, "orders")); err != nil {
				t.Fatal(err)
			}
			cut(k)
			topics, kafkas := topicsOf(strict.Client, k), strict.Client.KafkaV1beta1().Kafkas(k.Object.Namespace)
			for what, ask := range map[string]func() error{
				"kafkatopics/scale":      func() error { _, err := topics.GetScale(t.Context(), "orders", metav1.GetOptions{}); return err },
				"kafkatopics/partitions": func() error { _, err := topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{}); return err },
				"kafkatopics/configs":    func() error { _, err := topics.GetConfigs(t.Context(), "orders", metav1.GetOptions{}); return err },
				"kafkatopics/elect": func() error {
					_, err := topics.Elect(t.Context(), "orders", &v1beta1.KafkaTopicElection{}, metav1.CreateOptions{})
					return err
				},
				"kafkatopics/truncate": func() error {
					_, err := topics.Truncate(t.Context(), "orders", truncation(map[int32]int64{0: 0}), metav1.CreateOptions{})
					return err
				},
				"kafkas/topics":  func() error { _, err := kafkas.GetTopics(t.Context(), "k", metav1.GetOptions{}); return err },
				"kafkas/brokers": func() error { _, err := kafkas.GetBrokers(t.Context(), "k", metav1.GetOptions{}); return err },
			} {
				start := time.Now()
				expectStatus(t, ask(), 503)
				if took := time.Since(start); took > 6*time.Second {
					t.Errorf("%s took %s", what, took)
				}
			}
			start := time.Now()
			if _, err := topics.List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := topics.Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := kafkas.List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 2500*time.Millisecond {
				t.Errorf("stored objects took %s", took)
			}
			// This request has to find out by itself that the brokers do not answer.
			clock.Step(remembered)
			start = time.Now()
			if err := topics.Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 6*time.Second {
				t.Errorf("a delete took %s", took)
			}
		})
	}
}
