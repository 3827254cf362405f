package kafkatopic_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Claims that wait for what may come late are kept beside all quotas: who has left many is refused, with what is waited for, until there are fewer.
func TestClaimsThatOutliveTheirObjectsAreBounded(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k := s.NewKafka(t, 1)
	wanted := json.RawMessage(`{"partitions":1,"replicas":1}`)
	for i := range 100 {
		name := fmt.Sprintf("gone-%d", i)
		left := storage.Claim{Name: storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: "k"}, Name: name},
			Owner: storage.Owner{Namespace: k.Object.Namespace, Name: name, UID: "gone"}, Asked: s.Clock.Now(), Unanswered: []json.RawMessage{wanted}}
		if _, err := s.Claims.Take(t.Context(), left, ""); err != nil {
			t.Fatal(err)
		}
	}
	namespace, n := s.Namespace(), 0
	try := func(namespace, name string, dryRun ...string) error {
		if namespace == k.Object.Namespace && name == "" {
			n++
			name = fmt.Sprintf("new-%d", n)
		}
		topic := newTopic(k, name)
		topic.Namespace, topic.Spec.ClusterRef.Namespace = namespace, k.Object.Namespace
		topic.Spec.Replicas = ptr.To[int32](1)
		_, err := s.Client.KafkaV1beta1().KafkaTopics(namespace).Create(t.Context(), topic, metav1.CreateOptions{DryRun: dryRun})
		return err
	}
	apiservertest.Eventually(t, "the sweeper has looked at all", func() bool {
		s.Clock.Step(slowly * 10)
		return apierrors.IsTooManyRequests(try(k.Object.Namespace, "", metav1.DryRunAll))
	})
	expectStatus(t, try(k.Object.Namespace, ""), 429, "100 deleted objects of namespace "+k.Object.Namespace, "gone-0, gone-1, gone-10, and others", "may come late")
	if seconds, wait := apierrors.SuggestsClientDelay(try(k.Object.Namespace, "")); wait {
		t.Errorf("clients wait for %d s without a word", seconds)
	}
	if err := try(namespace, "others"); err != nil {
		t.Errorf("in another namespace: %v", err)
	}
	// Whoever takes over what is waited for leaves less of it.
	if err := try(k.Object.Namespace, "gone-7"); err != nil {
		t.Errorf("what is waited for: %v", err)
	}
	apiservertest.Eventually(t, "there are fewer", func() bool {
		s.Clock.Step(slowly * 10)
		return try(k.Object.Namespace, "") == nil
	})
}

// Brokers that refuse everything have the sweeper look at one name at a time: what is waited for counts when the objects go.
func TestWhatIsAwaitedCountsAtOnce(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k := s.NewKafka(t, 1)
	one := func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Replicas, topic.Spec.Partitions = ptr.To[int32](1), ptr.To[int32](1)
	}
	for i := range 100 {
		name := fmt.Sprintf("gone-%d", i)
		if _, err := create(s.Client, newTopic(k, name, one)); err != nil {
			t.Fatal(err)
		}
		apiservertest.Eventually(t, "the claim says that something may come late", func() bool {
			c, err := s.Claims.Get(t.Context(), storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: "k"}, Name: name})
			if err != nil || c == nil {
				return false
			}
			_, err = s.Claims.Update(t.Context(), c, func(c *claim) {
				c.Await(json.RawMessage(`{"partitions":1,"replicas":1}`))
				c.Asked = s.Clock.Now()
			})
			return err == nil
		})
	}
	k.Refuse()
	if err := topicsOf(s.Client, k).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = create(s.Client, newTopic(k, "new", one))
	expectStatus(t, err, 429, "100 deleted objects", "may come late")
}

// Whoever has brokers of his own may say in a status that something was asked for an object that never was.
func TestAStatusOfNothingLeavesNoClaim(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k := s.NewKafka(t, 1)
	k.Refuse()
	report := func(name string, change func(*v1beta1.KafkaTopic)) {
		topic := newTopic(k, name, change)
		topic.UID, topic.ResourceVersion = types.UID(name), "1"
		topic.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: topics.ReasonCreating, LastTransitionTime: metav1.Now()}}
		if _, err := topicsOf(s.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	claims := func() (n int) {
		if err := s.Claims.List(t.Context(), func(*claim) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	report("large", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Config = map[string]string{"no.such.config": strings.Repeat("x", 600<<10)}
	})
	if n := claims(); n != 0 {
		t.Errorf("%d claims of an object that could not be", n)
	}
	for i := range 120 {
		report(fmt.Sprintf("never-%d", i), func(*v1beta1.KafkaTopic) {})
	}
	if n := claims(); n != 100 {
		t.Errorf("%d claims of objects that never were, want the 100 that a namespace may have", n)
	}
}
