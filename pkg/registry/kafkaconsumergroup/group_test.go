package kafkaconsumergroup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

func TestAGroupIsWhatTheBrokersSay(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(2, "orders"))
	produce(t, k, "orders", 2, 5)
	commit(t, k, "billing", "orders", 1, 3)
	join(t, k, "billing", "orders", 2)
	got, err := groupsOf(server.Client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "k.billing" || got.Namespace != k.Object.Namespace || got.UID == "" || got.ResourceVersion != "" || len(got.Labels) > 0 {
		t.Errorf("metadata is %+v", got.ObjectMeta)
	}
	if got.Spec.ClusterRef.Name != "k" || got.Spec.GroupID != "billing" {
		t.Errorf("spec is %+v", got.Spec)
	}
	status := got.Status
	if status.State != "Stable" || status.Type != v1beta1.GroupTypeClassic || status.ProtocolType != "consumer" || status.Assignor == "" ||
		status.Coordinator != k.CoordinatorFor("billing") || ptr.Deref(status.Lag, -1) != 6 || len(status.Members) != 1 {
		t.Fatalf("status is %+v", status)
	}
	member := status.Members[0]
	if member.ClientID != "app-1" || member.GroupInstanceID != "pod-0" || member.MemberID == "" || !strings.HasPrefix(member.Host, "127.0.0.1") ||
		len(member.Assignments) != 1 || member.Assignments[0].Topic != "orders" || !slices.Equal(member.Assignments[0].Partitions, []int32{0, 1}) {
		t.Errorf("the member is %+v", member)
	}
	again, err := groupsOf(server.Client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	if err != nil || again.UID != got.UID {
		t.Errorf("the uid was %s and is %s (%v)", got.UID, again.UID, err)
	}
	if shown := lines(tableOf(t, k, "k.billing")); !slices.Equal(shown, []string{"NAME STATE TYPE COORDINATOR MEMBERS LAG",
		"k.billing Stable Classic " + string('0'+rune(status.Coordinator)) + " 1 6"}) {
		t.Errorf("shown as %q", shown)
	}
}

func TestAGroupOfTheNewerProtocol(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(2, "orders"))
	join(t, k, "billing", "orders", 2, kgo.ServerSideBalancer())
	got, err := groupsOf(server.Client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status.Type != v1beta1.GroupTypeConsumer || got.Status.State != "Stable" || len(got.Status.Members) != 1 || got.Status.Members[0].ClientID != "app-1" {
		t.Errorf("status is %+v", got.Status)
	}
}

// Whatever consumers call their group, it has a name that URLs, RBAC and field selectors can say, and the same in a list.
func TestEveryGroupHasAName(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	ids := []string{"billing", "a.b", "a/b", "100%", "größe", "x y\t", "~2F", ".", "..", "A_b-C", strings.Repeat("long/", 6000)}
	for _, id := range ids {
		commit(t, k, id, "orders", 0)
	}
	list, err := groupsOf(server.Client, k).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]v1beta1.KafkaConsumerGroup{}
	for _, g := range list.Items {
		listed[g.Spec.GroupID] = g
	}
	if len(listed) != len(ids) {
		t.Errorf("%d groups are listed, want %d", len(listed), len(ids))
	}
	for _, id := range ids {
		one, err := groupsOf(server.Client, k).Get(t.Context(), listed[id].Name, metav1.GetOptions{})
		if err != nil || one.Spec.GroupID != id || one.Name != v1beta1.ConsumerGroupName("k", id) || one.UID != listed[id].UID {
			t.Errorf("group %.40q under its listed name %.40q: %+v, %v", id, listed[id].Name, one.ObjectMeta, err)
		}
		selected, err := groupsOf(server.Client, k).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + listed[id].Name})
		if err != nil || len(selected.Items) != 1 || selected.Items[0].Spec.GroupID != id {
			t.Errorf("group %.40q selected by name: %d items, %v", id, len(selected.Items), err)
		}
	}
}

func TestAGroupThatIsNotThere(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	commit(t, k, "billing", "orders", 0)
	for name, why := range map[string]string{
		"k.nobody":     `the brokers of Kafka "k" have no consumer group "nobody"`,
		"k.~62illing":  "<kafka>.<group id>", // another spelling of billing
		"k":            "<kafka>.<group id>",
		"other.nobody": `there is no Kafka "other"`,
	} {
		_, err := groupsOf(server.Client, k).Get(t.Context(), name, metav1.GetOptions{})
		expectStatus(t, err, 404, name, why)
		_, err = groupsOf(server.Client, k).GetOffsets(t.Context(), name, metav1.GetOptions{})
		expectStatus(t, err, 404, name, why)
		_, err = reset(server.Client, k, name, `{"spec":{"reset":[{"topic":"orders","to":"latest"}]}}`)
		expectStatus(t, err, 404, name)
	}
	if g := k.GroupInfo("nobody"); g != nil {
		t.Errorf("a patch has made the group %+v", g)
	}
}

func TestAGroupOfBrokersThatAreAway(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders"))
	commit(t, k, "billing", "orders", 0)
	k.Refuse()
	_, err := groupsOf(server.Client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	expectStatus(t, err, 503, "not reachable")
	_, err = groupsOf(server.Client, k).GetOffsets(t.Context(), "k.billing", metav1.GetOptions{})
	expectStatus(t, err, 503, "not reachable")
	_, err = reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"to":"latest"}]}}`)
	expectStatus(t, err, 503, "not reachable")
	k.Return()
	apiservertest.Eventually(t, "the group is served again", func() bool {
		_, err := groupsOf(server.Client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
		return err == nil
	})
}

// A rule with resourceNames lets a team see its own group and no other.
func TestRightsByName(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	commit(t, k, "billing", "orders", 0)
	commit(t, k, "shipping", "orders", 0)
	client, _ := server.As(t, func(a authorizer.Attributes) bool {
		return a.GetResource() == "kafkaconsumergroups" && a.GetName() == "k.billing"
	})
	if _, err := groupsOf(client, k).Get(t.Context(), "k.billing", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	list, err := groupsOf(client, k).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=k.billing"})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("a list of the one group: %d items, %v", len(list.Items), err)
	}
	_, err = groupsOf(client, k).Get(t.Context(), "k.shipping", metav1.GetOptions{})
	expectStatus(t, err, 403)
	_, err = groupsOf(client, k).List(t.Context(), metav1.ListOptions{})
	expectStatus(t, err, 403)
}

// hide has the brokers answer as they do when our account may not describe one of the topics that a member reads: Kafka drops the offsets of it
// without a word (KafkaApis.fetchAllOffsetsForGroup), and all of the group's description (handleConsumerGroupDescribe).
func hide(k *apiservertest.Kafka) {
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe}, Err: kerr.TopicAuthorizationFailed, Count: -1})
}

// A topic that is hidden from our account hides what is about it, and no more.
func TestAGroupWithATopicThatIsHidden(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(2, "orders"))
	produce(t, k, "orders", 2, 5)
	commit(t, k, "billing", "orders", 1, 3)
	join(t, k, "billing", "orders", 2, kgo.ServerSideBalancer())
	hide(k)
	client, warnings := server.Warned(t)
	got, err := groupsOf(client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := got.Status
	if status.State != "Stable" || status.Type != v1beta1.GroupTypeConsumer || status.Coordinator != k.CoordinatorFor("billing") || len(status.Members) > 0 || status.Lag != nil {
		t.Errorf("status is %+v", status)
	}
	const right = "the account that this server has on the brokers lacks the right Describe on the topics of the group"
	if said := warnings.Take(); len(said) != 1 || !strings.Contains(said[0], "the members are not known") || !strings.Contains(said[0], right) {
		t.Errorf("warnings %q", said)
	}
	view, err := groupsOf(client, k).GetOffsets(t.Context(), "k.billing", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if rows := view.Status.Partitions; len(rows) != 2 || ptr.Deref(rows[0].Lag, -1) != 4 || view.Status.Lag != nil || view.Status.State != "Stable" {
		t.Errorf("offsets are %+v", view.Status)
	}
	if said := warnings.Take(); len(said) != 1 || !strings.Contains(said[0], "topics may be missing") || !strings.Contains(said[0], right) {
		t.Errorf("warnings %q", said)
	}
	// It has members, whoever they are.
	_, err = reset(client, k, "k.billing", `{"spec":{"reset":[{"topic":"orders","to":"earliest"}]}}`)
	expectStatus(t, err, 409, "Stable")
}
