package kafka_test

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// somebody has rights on no Kafka of others, and makes one that is run here.
func somebody(t *testing.T, namespace string) *v1beta1.Kafka {
	t.Helper()
	tenant, _ := server.As(t, withoutOwn)
	return makeHere(t, tenant, namespace)
}

func makeHere(t *testing.T, client versioned.Interface, namespace string) *v1beta1.Kafka {
	t.Helper()
	k, err := client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), newKafka(namespace), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// introduce says of which cluster a Kafka is, as its controller does before it makes anything for it.
func introduce(t *testing.T, k *v1beta1.Kafka, id string) *v1beta1.Kafka {
	t.Helper()
	k, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.Status.ClusterID = id
	if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return k
}

// expectHolder checks whose cluster a fake is: whoever else comes with it is told.
func expectHolder(t *testing.T, fake *apiservertest.Kafka, holder *v1beta1.Kafka) {
	t.Helper()
	tenant, _ := server.As(t, withoutOwn)
	expectStatus(t, look(t, at(t, tenant, server.Namespace(), fake)), 403, holder.Namespace+"/"+holder.Name)
}

// Who writes the id of somebody's external cluster to a claim on a volume of his own has the controllers say it, and no broker.
func TestHearsayTakesNoExternalCluster(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	victim, _ := server.As(t, withoutOwn)
	his := at(t, victim, server.Namespace(), fake)
	if got := report(t, his, ""); readyReason(got) != "True BrokersReady" {
		t.Fatal(readyReason(got))
	}
	id := "id-of-" + fake.Object.Namespace
	theirs := introduce(t, somebody(t, server.Namespace()), id)
	if theirs.Status.ClusterID != "" || readyReason(theirs) != "False ClusterClaimed" {
		t.Errorf("introduced as %+v", theirs.Status)
	}
	expectHolder(t, fake, his)
	// Pods in a namespace are those who may make pods there make: what answers in them may say what it likes.
	theirs.Status.Listeners = []v1beta1.ListenerStatus{{Name: "plain", BootstrapServers: fake.ListenAddrs()[0], Addresses: fake.ListenAddrs()}}
	theirs, err := kafkas(theirs.Namespace).UpdateStatus(t.Context(), theirs, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := report(t, theirs, ""); readyReason(got) != "False ClusterClaimed" {
		t.Errorf("brokers say so: %+v", got.Status)
	}
	expectStatus(t, look(t, theirs), 403)
	expectHolder(t, fake, his)
	// Nor does an administrator's Kafka take it before its brokers answer.
	if got := introduce(t, makeHere(t, server.Client, server.Namespace()), id); got.Status.ClusterID != id {
		t.Errorf("introduced as %+v", got.Status)
	}
	expectHolder(t, fake, his)
}

// A Kafka that is run here owns its id from its introduction on, before its brokers are started, and after it was created anew.
func TestAKafkaThatIsIntroducedOwnsItsCluster(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	id, namespace := "id-of-"+fake.Object.Namespace, server.Namespace()
	k := introduce(t, somebody(t, namespace), id)
	if k.Status.ClusterID != id {
		t.Fatalf("introduced as %+v", k.Status)
	}
	expectHolder(t, fake, k)
	if err := kafkas(namespace).Delete(t.Context(), k.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	again := introduce(t, somebody(t, namespace), id)
	if again.UID == k.UID || again.Status.ClusterID != id {
		t.Fatalf("introduced again as %+v", again.Status)
	}
	expectHolder(t, fake, again)
}

// Of two that say they are one cluster the first has it, and who has the verb "own" on that one is not kept out.
func TestAnOwnerIsNotKeptOutByVolumesOfOthers(t *testing.T) {
	t.Parallel()
	const id = "kept-out-by-volumes-00"
	forger := introduce(t, somebody(t, server.Namespace()), id)
	if forger.Status.ClusterID != id {
		t.Fatalf("the first is %+v", forger.Status)
	}
	if got := introduce(t, somebody(t, server.Namespace()), id); got.Status.ClusterID != "" || readyReason(got) != "False ClusterClaimed" {
		t.Errorf("without the verb: %+v", got.Status)
	}
	owner, _ := server.As(t, func(a authorizer.Attributes) bool {
		return a.GetVerb() != "own" || a.GetNamespace() == forger.Namespace
	})
	if got := introduce(t, makeHere(t, owner, server.Namespace()), id); got.Status.ClusterID != id || readyReason(got) == "False ClusterClaimed" {
		t.Errorf("with the verb: %+v", got.Status)
	}
}

// A status that is not stored claims nothing.
func TestAStatusThatIsNotStoredClaimsNoCluster(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		id      string
		options metav1.UpdateOptions
		change  func(*testing.T, *v1beta1.Kafka)
		refused func(error) bool
	}{
		"dry run": {id: "not-stored-dry-run-000", options: metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}}},
		"conflict": {id: "not-stored-conflict-00", refused: apierrors.IsConflict,
			change: func(_ *testing.T, k *v1beta1.Kafka) { k.ResourceVersion = "1" }},
		"admission": {id: "not-stored-admission-0", refused: apierrors.IsForbidden, change: func(t *testing.T, k *v1beta1.Kafka) {
			server.Admit(t, k.Namespace, func(admission.Attributes) error {
				return apierrors.NewForbidden(v1beta1.Resource("kafkas"), k.Name, errors.New("a policy"))
			})
		}},
	} {
		t.Run(what, func(t *testing.T) {
			first, second := somebody(t, server.Namespace()), somebody(t, server.Namespace())
			first.Status.ClusterID = tc.id
			if tc.change != nil {
				tc.change(t, first)
			}
			_, err := kafkas(first.Namespace).UpdateStatus(t.Context(), first, tc.options)
			if tc.refused == nil && err != nil || tc.refused != nil && !tc.refused(err) {
				t.Fatalf("answered %v", err)
			}
			if got := introduce(t, second, tc.id); got.Status.ClusterID != tc.id {
				t.Errorf("the second is %+v", got.Status)
			}
		})
	}
}

// Between the look at a claim and the store another one may come first.
func TestAClusterThatIsClaimedMeanwhile(t *testing.T) {
	t.Parallel()
	const id = "claimed-meanwhile-0000"
	first, second := somebody(t, server.Namespace()), somebody(t, server.Namespace())
	// Admission comes after the look.
	met := false
	server.Admit(t, second.Namespace, func(a admission.Attributes) error {
		if met || a.GetSubresource() != "status" {
			return nil
		}
		met = true
		k := first.DeepCopy()
		k.Status.ClusterID = id
		_, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
		return err
	})
	answered := introduce(t, second, id)
	stored, err := kafkas(second.Namespace).Get(t.Context(), second.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]*v1beta1.Kafka{"answered": answered, "stored": stored} {
		if got.Status.ClusterID != "" || readyReason(got) != "False ClusterClaimed" {
			t.Errorf("%s: %+v", what, got.Status)
		}
	}
	if k, err := kafkas(first.Namespace).Get(t.Context(), first.Name, metav1.GetOptions{}); err != nil || k.Status.ClusterID != id {
		t.Errorf("the first: %+v, %v", k.Status, err)
	}
}
