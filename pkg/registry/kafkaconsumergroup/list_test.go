package kafkaconsumergroup_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// secondKafka is another Kafka object in the namespace of the first.
func secondKafka(t *testing.T, k *apiservertest.Kafka, name string, addresses ...string) {
	t.Helper()
	_, err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: addresses}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func names(list *v1beta1.KafkaConsumerGroupList) []string {
	var all []string
	for _, g := range list.Items {
		all = append(all, g.Name)
	}
	return all
}

func mustList(t *testing.T, k *apiservertest.Kafka, options metav1.ListOptions) *v1beta1.KafkaConsumerGroupList {
	t.Helper()
	list, err := groupsOf(server.Client, k).List(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAListIsOfAllKafkas(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders"))
	other := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	secondKafka(t, k, "a", other.ListenAddrs()...)
	commit(t, k, "shipping", "orders", 0)
	commit(t, k, "billing", "orders", 0)
	commit(t, other, "audit", "orders", 0)
	single := count(k, kmsg.DescribeGroups, kmsg.ConsumerGroupDescribe, kmsg.OffsetFetch, kmsg.FindCoordinator, kmsg.ListOffsets)
	list := mustList(t, k, metav1.ListOptions{})
	if got := names(list); !slices.Equal(got, []string{"a.audit", "k.billing", "k.shipping"}) {
		t.Errorf("the list is %q", got)
	}
	for _, g := range list.Items {
		if g.Namespace != k.Object.Namespace || g.Status.State != "Empty" || g.Status.Type != v1beta1.GroupTypeClassic || g.Status.Lag != nil || g.UID == "" {
			t.Errorf("listed as %+v", g)
		}
	}
	shown := lines(tableOf(t, k))
	if len(shown) != 4 || shown[0] != "NAME STATE TYPE COORDINATOR" || shown[1] != "a.audit Empty Classic 0" {
		t.Errorf("shown as %q", shown)
	}
	if n := single.Hits(); n > 0 {
		t.Errorf("the lists have asked %d times about single groups", n)
	}
	everywhere, err := server.Client.KafkaV1beta1().KafkaConsumerGroups("").List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.namespace=" + other.Object.Namespace})
	if err != nil || !slices.Equal(names(everywhere), []string{"k.audit"}) {
		t.Errorf("of one namespace among all: %q, %v", names(everywhere), err)
	}
}

func TestAListIsContinued(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders"))
	secondKafka(t, k, "k-b", k.ListenAddrs()...) // sorts before "k." as text, and behind k as a Kafka
	var want []string
	for i := range 7 {
		commit(t, k, fmt.Sprintf("g%d", i), "orders", 0)
		want = append(want, fmt.Sprintf("k.g%d", i))
	}
	for i := range 7 {
		want = append(want, fmt.Sprintf("k-b.g%d", i))
	}
	for _, limit := range []int64{1, 3, 7, 13, 14, 100} {
		var got []string
		options := metav1.ListOptions{Limit: limit}
		for {
			page := mustList(t, k, options)
			if len(page.Items) > int(limit) {
				t.Errorf("a page of at most %d has %d", limit, len(page.Items))
			}
			got = append(got, names(page)...)
			if page.RemainingItemCount != nil && int(*page.RemainingItemCount) != len(want)-len(got) {
				t.Errorf("%d are said to remain, %d do", *page.RemainingItemCount, len(want)-len(got))
			}
			if options.Continue = page.Continue; page.Continue == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q", limit, got)
		}
	}
	if page := mustList(t, k, metav1.ListOptions{Limit: 13}); ptr.Deref(page.RemainingItemCount, 0) != 1 {
		t.Errorf("of 14 in a page of 13, %v are said to remain", page.RemainingItemCount)
	}
	for _, options := range []metav1.ListOptions{{FieldSelector: "metadata.namespace=" + k.Object.Namespace}, {LabelSelector: "!no-such-label"}} {
		options.Limit = 13
		if page := mustList(t, k, options); page.Continue == "" || page.RemainingItemCount != nil {
			t.Errorf("%+v: %v are said to remain", options, page.RemainingItemCount)
		}
	}
	// A group that goes between two pages is no reason to begin anew.
	first := mustList(t, k, metav1.ListOptions{Limit: 3})
	request := kmsg.NewPtrDeleteGroupsRequest()
	request.Groups = []string{"g2"}
	if _, err := request.RequestWith(t.Context(), newClient(t, k)); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the group is gone", func() bool { return k.GroupInfo("g2") == nil })
	if next := mustList(t, k, metav1.ListOptions{Limit: 2, Continue: first.Continue}); !slices.Equal(names(next), []string{"k.g3", "k.g4"}) {
		t.Errorf("behind a group that is gone: %q", names(next))
	}
	for _, token := range []string{"x", "eyJ9", first.Continue + "x"} {
		_, err := groupsOf(server.Client, k).List(t.Context(), metav1.ListOptions{Limit: 3, Continue: token})
		expectStatus(t, err, 400, "continue")
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	secondKafka(t, k, "dead", "127.0.0.1:1")
	commit(t, k, "billing", "orders", 0)
	commit(t, k, "shipping", "orders", 0)
	client, warnings := server.Warned(t)
	for _, tc := range []struct {
		options metav1.ListOptions
		want    []string
		warned  int
	}{
		{metav1.ListOptions{FieldSelector: "metadata.name=k.billing"}, []string{"k.billing"}, 0},
		{metav1.ListOptions{FieldSelector: "metadata.name!=k.billing"}, []string{"k.shipping"}, 1},
		{metav1.ListOptions{FieldSelector: "metadata.name=billing"}, nil, 0},
		{metav1.ListOptions{FieldSelector: "spec.clusterRef.name=k"}, []string{"k.billing", "k.shipping"}, 0},
		{metav1.ListOptions{FieldSelector: "spec.clusterRef.name=dead"}, nil, 1},
		{metav1.ListOptions{FieldSelector: "metadata.namespace=" + k.Object.Namespace + ",spec.clusterRef.name=k"}, []string{"k.billing", "k.shipping"}, 0},
		{metav1.ListOptions{FieldSelector: "metadata.namespace=elsewhere"}, nil, 0},
		{metav1.ListOptions{LabelSelector: "app=billing"}, nil, 0},
		{metav1.ListOptions{LabelSelector: "app!=billing"}, []string{"k.billing", "k.shipping"}, 1},
		{metav1.ListOptions{LabelSelector: "!app"}, []string{"k.billing", "k.shipping"}, 1},
	} {
		list, err := groupsOf(client, k).List(t.Context(), tc.options)
		if err != nil || !slices.Equal(names(list), tc.want) {
			t.Errorf("%+v selects %q, %v; want %q", tc.options, names(list), err, tc.want)
		}
		if said := warnings.Take(); len(said) != tc.warned {
			t.Errorf("%+v: warnings %q, want %d", tc.options, said, tc.warned)
		}
	}
	for _, selector := range []string{"spec.groupID=billing", "status.state=Empty", "metadata.uid=1"} {
		_, err := groupsOf(server.Client, k).List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		expectStatus(t, err, 400, "not supported", "spec.clusterRef.name")
	}
}

func TestAListWithoutTheKafkaThatIsAway(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	away := server.NewKafka(t, 3)
	secondKafka(t, k, "away", away.ListenAddrs()...)
	commit(t, k, "billing", "orders", 0)
	for name, leave := range map[string]func(){"refusing": away.Refuse, "silent": away.Vanish} {
		leave()
		client, warnings := server.Warned(t)
		began := time.Now()
		list, err := groupsOf(client, k).List(t.Context(), metav1.ListOptions{})
		if err != nil || !slices.Equal(names(list), []string{"k.billing"}) {
			t.Errorf("%s: %q, %v", name, names(list), err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		if said := warnings.Take(); len(said) != 1 || !strings.Contains(said[0], "Kafka "+k.Object.Namespace+"/away") {
			t.Errorf("%s: warnings %q, want one that names the Kafka", name, said)
		}
	}
}

func TestAListWithoutTheBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders"))
	for i := range 9 {
		commit(t, k, fmt.Sprintf("g%d", i), "orders", 0)
	}
	away := k.CoordinatorFor("g0")
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Nodes: []int32{away}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	client, warnings := server.Warned(t)
	list, err := groupsOf(client, k).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 || len(list.Items) == 9 {
		t.Errorf("%d of nine groups are listed", len(list.Items))
	}
	for _, g := range list.Items {
		if g.Status.Coordinator == away {
			t.Errorf("%s is listed", g.Name)
		}
	}
	if said := warnings.Take(); len(said) != 1 || !strings.Contains(said[0], fmt.Sprintf("broker %d", away)) {
		t.Errorf("warnings %q, want one that names broker %d", said, away)
	}
}

// Two brokers of three answer: what is said names the third.
func TestAListWithABrokerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders"))
	commit(t, k, "billing", "orders", 0)
	away := k.CoordinatorFor("billing")
	k.RefuseAt(t, away)
	client, warnings := server.Warned(t)
	if _, err := groupsOf(client, k).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("that broker %d keeps are not in the list: broker %d of Kafka cluster %s/k does not answer", away, away, k.Object.Namespace)
	if said := warnings.Take(); len(said) != 1 || !strings.Contains(said[0], want) {
		t.Errorf("warnings %q, want %q", said, want)
	}
	_, err := groupsOf(client, k).Get(t.Context(), "k.billing", metav1.GetOptions{})
	expectStatus(t, err, 503, fmt.Sprintf("broker %d of Kafka cluster %s/k does not answer", away, k.Object.Namespace))
}

// A watch that never ends its initial list would stop every quota of a cluster: there is none.
func TestGroupsAreNotWatched(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	_, err := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Param("watch", "true").Watch(t.Context())
	expectStatus(t, err, 405)
	for _, verb := range []string{"POST", "DELETE"} {
		err := server.Client.KafkaV1beta1().RESTClient().Verb(verb).Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Body([]byte(`{}`)).Do(t.Context()).Error()
		expectStatus(t, err, 405)
	}
}
