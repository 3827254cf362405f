package kafka_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// withoutOwn may do everything but own Kafkas.
func withoutOwn(a authorizer.Attributes) bool { return a.GetVerb() != "own" }

// at makes a Kafka somebody's, with the addresses of a fake.
func at(t *testing.T, client versioned.Interface, namespace string, fake *apiservertest.Kafka) *v1beta1.Kafka {
	t.Helper()
	k, err := client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), externalKafka(namespace, func(e *v1beta1.ExternalSpec) { e.BootstrapServers = fake.ListenAddrs() }), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// report says that a Kafka is ready, as its controller would, and returns what the API server makes of it.
func report(t *testing.T, k *v1beta1.Kafka, id string) *v1beta1.Kafka {
	t.Helper()
	return say(t, k, id, metav1.ConditionTrue, "BrokersReady")
}

func readyReason(k *v1beta1.Kafka) string {
	ready := meta.FindStatusCondition(k.Status.Conditions, "Ready")
	if ready == nil {
		return ""
	}
	return string(ready.Status) + " " + ready.Reason
}

// look is a live request.
func look(t *testing.T, k *v1beta1.Kafka) error {
	_, err := server.Client.KafkaV1beta1().Kafkas(k.Namespace).GetBrokers(t.Context(), k.Name, metav1.GetOptions{})
	return err
}

// makeTopic creates a KafkaTopic beside its Kafka.
func makeTopic(t *testing.T, client versioned.Interface, k *v1beta1.Kafka, name string) error {
	_, err := client.KafkaV1beta1().KafkaTopics(k.Namespace).Create(t.Context(), &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Name}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1)}}, metav1.CreateOptions{})
	return err
}

// Whoever makes a second Kafka with the addresses of the first has no rights on its brokers by that.
func TestASecondKafkaOfACluster(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	if err := makeTopic(t, server.Client, fake.Object, "orders"); err != nil {
		t.Fatal(err)
	}
	before := fake.Topics(t)
	tenant, _ := server.As(t, withoutOwn)
	second := at(t, tenant, server.Namespace(), fake)
	expectStatus(t, look(t, second), 403, fake.Object.Namespace+"/k", "id-of-", `"own"`)
	// The administrator asks, and it is the maker's rights that count.
	for _, client := range []versioned.Interface{tenant, server.Client} {
		expectStatus(t, makeTopic(t, client, second, "orders"), 403, `"own"`)
		expectStatus(t, makeTopic(t, client, second, "new"), 403)
	}
	if topics, err := server.Client.KafkaV1beta1().KafkaTopics(second.Namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(topics.Items) != 0 {
		t.Errorf("stored: %+v, %v", topics, err)
	}
	if after := fake.Topics(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the brokers have %v, before %v", after, before)
	}
	// Nobody can say that it is ready, nor that it is another cluster.
	got := report(t, second, "another")
	if readyReason(got) != "False ClusterClaimed" || got.Status.ClusterID != "id-of-"+fake.Object.Namespace {
		t.Errorf("the status is %+v", got.Status)
	}
	// The times that managed fields have are of whole seconds.
	for second := time.Now().Unix(); time.Now().Unix() == second; {
		if again := report(t, got, "another"); again.ResourceVersion != got.ResourceVersion {
			t.Fatal("the same was written once more")
		}
	}
	if again := report(t, got, "another"); again.ResourceVersion != got.ResourceVersion {
		t.Error("the same was written once more, a second later")
	}
	if got := report(t, fake.Object, "id-of-"+fake.Object.Namespace); readyReason(got) != "True BrokersReady" {
		t.Errorf("the first is %s", readyReason(got))
	}
}

// With "own" on the first Kafka, a second one is one more way to it.
func TestTheOwnerMayHaveASecondKafka(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	owner, _ := server.As(t, func(a authorizer.Attributes) bool {
		return a.GetVerb() != "own" || a.GetNamespace() == fake.Object.Namespace && a.GetName() == "k" && a.GetResource() == "kafkas"
	})
	second := at(t, owner, server.Namespace(), fake)
	if err := look(t, second); err != nil {
		t.Error(err)
	}
	if err := makeTopic(t, owner, second, "orders"); err != nil {
		t.Error(err)
	}
	// Who changes its addresses is the maker from then on.
	tenant, _ := server.As(t, withoutOwn)
	second, err := kafkas(second.Namespace).Get(t.Context(), second.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second.Spec.External.BootstrapServers = append(second.Spec.External.BootstrapServers, "also.example.com:9092")
	// What is only tried makes nobody a maker.
	dry := metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}}
	if _, err := tenant.KafkaV1beta1().Kafkas(second.Namespace).Update(t.Context(), second, dry); err != nil {
		t.Fatal(err)
	}
	if err := look(t, second); err != nil {
		t.Errorf("after a dry run: %v", err)
	}
	if _, err := tenant.KafkaV1beta1().Kafkas(second.Namespace).Update(t.Context(), second, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the second Kafka is refused", func() bool { return apierrors.IsForbidden(look(t, second)) })
}

// A server-side apply that creates is a create like any other.
func TestAMakerByServerSideApply(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	namespace := server.Namespace()
	manifest := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":"theirs"},"spec":{"external":{"bootstrapServers":[%q]}}}`, fake.ListenAddrs()[0])
	owner, _ := server.As(t, func(authorizer.Attributes) bool { return true })
	k, err := owner.KafkaV1beta1().Kafkas(namespace).Patch(t.Context(), "theirs", types.ApplyPatchType, []byte(manifest), metav1.PatchOptions{FieldManager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := look(t, k); err != nil {
		t.Error(err)
	}
}

// The claim goes with its Kafka.
func TestAClusterIsFreeAgain(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	tenant, _ := server.As(t, withoutOwn)
	second := at(t, tenant, server.Namespace(), fake)
	if got := report(t, second, ""); readyReason(got) != "False ClusterClaimed" {
		t.Fatalf("the second is %s", readyReason(got))
	}
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	server.Clock.Step(time.Minute)
	apiservertest.Eventually(t, "the second Kafka is answered", func() bool { return look(t, second) == nil })
	if got := report(t, second, ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID == "" {
		t.Errorf("the second is %+v", got.Status)
	}
}

// What is run here is nobody else's, even if somebody has seen it first.
func TestAKafkaThatIsRunHereOwnsItsCluster(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	tenant, _ := server.As(t, withoutOwn)
	early := at(t, tenant, server.Namespace(), fake)
	// The one that comes with the fake goes, so that the tenant's is the first.
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := report(t, early, ""); readyReason(got) != "True BrokersReady" {
		t.Fatalf("the first is %s", readyReason(got))
	}
	here := run(t, fake, 1)
	if got := report(t, here, ""); readyReason(got) != "True BrokersReady" {
		t.Errorf("the one that is run here is %s", readyReason(got))
	}
	server.Clock.Step(time.Minute)
	apiservertest.Eventually(t, "the first Kafka is refused", func() bool { return apierrors.IsForbidden(look(t, early)) })
	apiservertest.Eventually(t, "its status says so", func() bool {
		k, err := kafkas(early.Namespace).Get(t.Context(), early.Name, metav1.GetOptions{})
		return err == nil && readyReason(k) == "False ClusterClaimed"
	})
	expectStatus(t, look(t, early), 403, here.Namespace+"/"+here.Name)
}

// A Kafka that nobody can reach is not ready because somebody says so.
func TestAClusterThatIsNotIdentified(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	fake.Refuse()
	if got := report(t, fake.Object, "made-up"); readyReason(got) != "False ClusterNotIdentified" || got.Status.ClusterID != "" {
		t.Errorf("%+v", got.Status)
	}
}

// A cluster that was made anew is another, and the claim follows.
func TestAnotherClusterAtTheSameAddresses(t *testing.T) {
	t.Parallel()
	first, second := server.NewKafka(t, 1, kfake.ClusterID("same-first")), server.NewKafka(t, 1, kfake.ClusterID("same-second"))
	tenant, _ := server.As(t, withoutOwn)
	for _, fake := range []*apiservertest.Kafka{first, second} {
		if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	moving := at(t, tenant, server.Namespace(), first)
	if got := report(t, moving, ""); got.Status.ClusterID != "same-first" {
		t.Fatalf("%+v", got.Status)
	}
	moved, err := kafkas(moving.Namespace).Get(t.Context(), moving.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	moved.Spec.External.BootstrapServers = second.ListenAddrs()
	if moved, err = tenant.KafkaV1beta1().Kafkas(moving.Namespace).Update(t.Context(), moved, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Other addresses are no word about which cluster is meant.
	if got := report(t, moved, ""); readyReason(got) != "False ClusterReplaced" || got.Status.ClusterID != "same-first" {
		t.Fatalf("%+v", got.Status)
	}
	moved = confirm(t, tenant, moved, "same-second")
	if got := report(t, moved, ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID != "same-second" {
		t.Fatalf("%+v", got.Status)
	}
	// What it no longer is can be somebody else's.
	if err := look(t, at(t, tenant, server.Namespace(), first)); err != nil {
		t.Error(err)
	}
	if strings.Contains(fmt.Sprint(look(t, moved)), "forbidden") {
		t.Error("refused as what it is")
	}
}

// naming makes the broker of one cluster name that of another as the rest of its own.
func naming(t *testing.T, liar, victim *apiservertest.Kafka) {
	t.Helper()
	advertise(t, liar, "liar", victim.ListenAddrs()[0])
}

// advertise makes the broker of a cluster say at which address it is. The answer has it say another.
func advertise(t *testing.T, fake *apiservertest.Kafka, id, address string) (move func(address string)) {
	t.Helper()
	var mu sync.Mutex
	var host string
	var port int32
	move = func(address string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		where, text, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		host, port = where, int32(number)
	}
	move(address)
	fake.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.ClusterID = &id
		response.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: host, Port: port}}
		return response, nil, true
	})
	fake.ControlKey(int16(kmsg.DescribeCluster), func(request kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
		response.ClusterID = id
		response.Brokers = []kmsg.DescribeClusterResponseBroker{{NodeID: 0, Host: host, Port: port}}
		return response, nil, true
	})
	return move
}

// A cluster whose broker names those of another is not ready before a live request finds that out.
func TestBrokersThatNameThoseOfAnother(t *testing.T) {
	t.Parallel()
	victim, liar := server.NewKafka(t, 1), server.NewKafka(t, 1, kfake.ClusterID("liar"))
	if err := look(t, victim.Object); err != nil {
		t.Fatal(err)
	}
	naming(t, liar, victim)
	tenant, _ := server.As(t, withoutOwn)
	if err := kafkas(liar.Object.Namespace).Delete(t.Context(), liar.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs := at(t, tenant, server.Namespace(), liar)
	if got := report(t, theirs, "liar"); readyReason(got) != "False ClusterClaimed" {
		t.Errorf("the status is %+v", got.Status)
	}
}

// Brokers that begin to do so later are found out by the first request that ends there, and the status says so without anybody's doing.
func TestBrokersThatNameThoseOfAnotherLater(t *testing.T) {
	t.Parallel()
	victim, liar := server.NewKafka(t, 1), server.NewKafka(t, 1, kfake.ClusterID("later"))
	if err := look(t, victim.Object); err != nil {
		t.Fatal(err)
	}
	tenant, _ := server.As(t, withoutOwn)
	if err := kafkas(liar.Object.Namespace).Delete(t.Context(), liar.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs := at(t, tenant, server.Namespace(), liar)
	if got := report(t, theirs, "later"); readyReason(got) != "True BrokersReady" {
		t.Fatalf("the status is %+v", got.Status)
	}
	naming(t, liar, victim)
	apiservertest.Eventually(t, "the status says so", func() bool {
		// Whether this is refused depends on which of its questions ends there: the bootstrap server still answers for itself.
		_ = look(t, theirs)
		k, err := kafkas(theirs.Namespace).Get(t.Context(), theirs.Name, metav1.GetOptions{})
		return err == nil && readyReason(k) == "False ClusterReplaced"
	})
}

// Claims on volumes are written by whoever may write them. A second Kafka that is run here is not the cluster that they say.
func TestASecondKafkaThatIsRunHere(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	first := run(t, fake, 1)
	id := "id-of-" + fake.Object.Namespace
	if got := report(t, first, id); readyReason(got) != "True BrokersReady" {
		t.Fatalf("the first is %+v", got.Status)
	}
	namespace := server.Namespace()
	tenant, _ := server.As(t, withoutOwn)
	second, err := tenant.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), newKafka(namespace), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	introduce := func() *v1beta1.Kafka {
		k, err := kafkas(namespace).Get(t.Context(), second.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k.Status.ClusterID, k.Status.Mode, k.Status.ObservedGeneration = id, v1beta1.ModeCombined, k.Generation
		k.Status.Quorum = []v1beta1.QuorumVoter{{ID: 0, DirectoryID: "AAAAAAAAAAAAAAAAAAAAAQ"}}
		k.Status.Listeners = []v1beta1.ListenerStatus{{Name: "plain", Addresses: []string{"127.0.0.1:1"}}}
		meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "BrokersNotReady", ObservedGeneration: k.Generation})
		if k, err = kafkas(namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		return k
	}
	if got := introduce(); readyReason(got) != "False ClusterClaimed" || got.Status.ClusterID != "" || len(got.Status.Quorum) != 0 || len(got.Status.Listeners) != 0 {
		t.Errorf("the second is %+v", got.Status)
	}
	if got := report(t, first, id); readyReason(got) != "True BrokersReady" {
		t.Errorf("the first is %+v", got.Status)
	}
	// It may be once the first is gone, as a Kafka that takes over the volumes of a deleted one.
	if err := kafkas(first.Namespace).Delete(t.Context(), first.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	server.Clock.Step(time.Minute)
	apiservertest.Eventually(t, "the second takes its place", func() bool { return introduce().Status.ClusterID == id })
}

// Whoever makes a Kafka for the addresses of another one learns nothing of its brokers.
func TestAClaimedKafkaTellsNothingOfTheBrokers(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	if err := look(t, fake.Object); err != nil {
		t.Fatal(err)
	}
	user, _ := server.As(t, withoutOwn)
	k := at(t, user, server.Namespace(), fake)
	// As its controller, which asks before anybody has said that they are another's, and with every look after that.
	k.Status.Brokers = v1beta1.BrokerCounts{Desired: 3, Registered: 3, Ready: 2}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionAuthorized, Status: metav1.ConditionFalse, Reason: "MissingRights", Message: "the account lacks Alter"})
	k.Status.UnreachableBrokers = []v1beta1.UnreachableBroker{{ID: 1, Address: "kafka-1.victim.internal:9092", Message: "nobody listens there"}}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "BrokersReady", ObservedGeneration: k.Generation})
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: "Degraded", Status: metav1.ConditionTrue, Reason: "BrokersUnreachable", Message: "kafka-1.victim.internal:9092"})
	got, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if readyReason(got) != "False ClusterClaimed" {
		t.Fatalf("%+v", got.Status)
	}
	if is := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionAuthorized); is != nil {
		t.Errorf("the status tells %+v", is)
	}
	if len(got.Status.UnreachableBrokers) > 0 || got.Status.Brokers != (v1beta1.BrokerCounts{}) {
		t.Errorf("the status tells %+v, brokers %+v", got.Status.UnreachableBrokers, got.Status.Brokers)
	}
}
