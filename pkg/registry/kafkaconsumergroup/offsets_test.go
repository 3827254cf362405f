package kafkaconsumergroup_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

func mustOffsets(t *testing.T, k *apiservertest.Kafka, name string) *v1beta1.KafkaConsumerGroupOffsets {
	t.Helper()
	view, err := groupsOf(server.Client, k).GetOffsets(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// newGroup is a cluster with a topic orders of three partitions, five records in each, and a group billing with offsets in two.
func newGroup(t *testing.T) *apiservertest.Kafka {
	t.Helper()
	k := server.NewKafka(t, 3, kfake.SeedTopics(3, "orders"))
	produce(t, k, "orders", 3, 5)
	commit(t, k, "billing", "orders", 1, 4)
	return k
}

func TestOffsetsAreWhatTheBrokersSay(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(3, "orders", "gone"))
	produce(t, k, "orders", 3, 5)
	commit(t, k, "billing", "orders", 1, 5)
	commit(t, k, "billing", "gone", 7)
	commit(t, k, "other", "orders", 0, 0, 0)
	// kfake forgets the offsets of a topic with the topic; brokers do so a while later.
	answered := k.GroupInfo("billing").Commits["gone"][0].Offset
	k.ControlKey(int16(kmsg.OffsetFetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		group := kmsg.NewOffsetFetchResponseGroup()
		group.Group = request.(*kmsg.OffsetFetchRequest).Groups[0].Group
		for topic, offsets := range map[string][]int64{"orders": {1, 5}, "gone": {answered}} {
			part := kmsg.NewOffsetFetchResponseGroupTopic()
			part.Topic = topic
			for i, offset := range offsets {
				partition := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				partition.Partition, partition.Offset, partition.Metadata = int32(i), offset, ptr.To("note")
				part.Partitions = append(part.Partitions, partition)
			}
			group.Topics = append(group.Topics, part)
		}
		response := request.ResponseKind().(*kmsg.OffsetFetchResponse)
		response.Groups = append(response.Groups, group)
		return response, nil, true
	})
	k.DeleteTopic(t, "gone")
	join(t, k, "billing", "orders", 3)
	view := mustOffsets(t, k, "k.billing")
	if view.Name != "k.billing" || view.Status.State != "Stable" || ptr.Deref(view.Status.Lag, -1) != 4 || len(view.Spec.Reset) > 0 {
		t.Errorf("the view is %+v", view)
	}
	shown := lines(tableOf(t, k, "k.billing", "offsets"))
	for i, line := range shown {
		host, _, _ := strings.Cut(line[strings.LastIndex(line, " ")+1:], ":")
		shown[i] = line[:strings.LastIndex(line, " ")+1] + host
	}
	want := []string{"TOPIC PARTITION COMMITTED END LAG OWNER HOST", "gone 0 7 - -  ", "orders 0 1 5 4 app-1 127.0.0.1", "orders 1 5 5 0 app-1 127.0.0.1", "orders 2 - 5 - app-1 127.0.0.1"}
	if !slices.Equal(shown, want) {
		t.Errorf("shown as\n%s\nwant\n%s", strings.Join(shown, "\n"), strings.Join(want, "\n"))
	}
	rows := view.Status.Partitions
	if len(rows) != 4 || !strings.Contains(rows[0].Message, "does not exist") || rows[1].Metadata != "note" || rows[1].MemberID == "" || ptr.Deref(rows[3].StartOffset, -1) != 0 {
		t.Errorf("rows are %+v", rows)
	}
}

// A partition that is misspelt is not all of them: nothing moves.
func TestMisspeltReset(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"topic":"orders","partition":[1],"to":"latest"}]}}`)
	expectStatus(t, err, 422, "spec.reset[0].partition", "partitions")
	if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 1, 1: 4}) {
		t.Errorf("the brokers have %v", got)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	at := func(minutes string) string { return `"time":"2026-01-31T08:` + minutes + `Z"` }
	for body, want := range map[string]map[int32]int64{
		`{"to":"earliest"}`:                                 {0: 0, 1: 0},
		`{"to":"latest"}`:                                   {0: 5, 1: 5},
		`{"topic":"orders","to":"earliest"}`:                {0: 0, 1: 0, 2: 0},
		`{"topic":"orders","partitions":[2],"to":"latest"}`: {0: 1, 1: 4, 2: 5},
		`{"topic":"orders","offset":3}`:                     {0: 3, 1: 3, 2: 3},
		`{"topic":"orders","partitions":[0,1],"offset":5}`:  {0: 5, 1: 5},
		`{"shift":-1}`:                                      {0: 0, 1: 3},
		`{"topic":"orders","partitions":[0],"shift":4}`:     {0: 5, 1: 4},
		`{` + at("02:00") + `}`:                             {0: 2, 1: 2},
		`{` + at("02:00.001") + `}`:                         {0: 3, 1: 3},
		`{"topic":"orders",` + at("59:00") + `}`:            {0: 5, 1: 5, 2: 5},
		`{"time":"2020-01-01T09:00:00+01:00"}`:              {0: 0, 1: 0},
		`{"topic":"orders","partitions":[0],"offset":2},{"topic":"orders","partitions":[2],"to":"latest"}`: {0: 2, 1: 4, 2: 5},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			k := newGroup(t)
			body := `{"spec":{"reset":[` + body + `]}}`
			before := mustOffsets(t, k, "k.billing")
			wouldBe, err := reset(server.Client, k, "k.billing", body, "All")
			if err != nil {
				t.Fatal(err)
			}
			if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 1, 1: 4}) {
				t.Errorf("after a dry run the brokers have %v", got)
			}
			answer, err := reset(server.Client, k, "k.billing", body)
			if err != nil {
				t.Fatal(err)
			}
			if got := committed(k, "billing", "orders"); !maps.Equal(got, want) {
				t.Errorf("the brokers have %v, want %v", got, want)
			}
			now := mustOffsets(t, k, "k.billing")
			for what, view := range map[string]*v1beta1.KafkaConsumerGroupOffsets{"dry run": wouldBe, "answer": answer, "later": now} {
				got := map[int32]int64{}
				for _, row := range view.Status.Partitions {
					got[row.Partition] = ptr.Deref(row.Committed, -1)
					if lag := 5 - got[row.Partition]; ptr.Deref(row.Lag, -1) != lag {
						t.Errorf("%s: lag of %d is %v", what, row.Partition, row.Lag)
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("%s: offsets are %v, want %v", what, got, want)
				}
				if view.ManagedFields != nil {
					t.Errorf("%s: nothing is stored, and fields have owners: %v", what, view.ManagedFields)
				}
				if view.ResourceVersion != now.ResourceVersion || view.UID != before.UID || view.Status.State != "Empty" {
					t.Errorf("%s: %+v, later %+v", what, view.ObjectMeta, now.ObjectMeta)
				}
			}
			if before.ResourceVersion == now.ResourceVersion {
				t.Error("the resourceVersion stays although offsets have changed")
			}
		})
	}
}

func TestResetsThatAreRefused(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	for body, why := range map[string][]string{
		``:                                 {"spec.reset", "say what to reset"},
		`{"topic":"orders","offset":6}`:    {"spec.reset[0].offset", "partition 0 of topic orders has the offsets 0 to 5"},
		`{"topic":"orders","offset":-2}`:   {"spec.reset[0].offset", "not negative"},
		`{"shift":2}`:                      {"spec.reset[0].shift", "partition 1 of topic orders has the offsets 0 to 5, and the group is moved from 4 to 6"},
		`{"topic":"orders","shift":-1}`:    {"spec.reset[0].shift", "committed no offset in partition 2"},
		`{"topic":"ordres","to":"latest"}`: {"spec.reset[0].topic", "ordres", "no such topic"},
		`{"topic":"orders","partitions":[0,3],"to":"latest"}`:                               {"spec.reset[0].partitions[1]", "partitions 0 to 2"},
		`{"topic":"orders","partitions":[0],"offset":1},{"topic":"orders","offset":9}`:      {"spec.reset[1].topic", "Duplicate"},
		`{"topic":"orders","partitions":[1],"offset":1},{"topic":"nosuch","to":"earliest"}`: {"spec.reset[1].topic", "no such topic"},
	} {
		_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[`+body+`]}}`)
		expectStatus(t, err, 422, why...)
	}
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"offset":"three"}]}}`)
	expectStatus(t, err, 422, `spec.reset[0].offset: Invalid value: "three": must be a whole number of 64 bits`)
	_, err = reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"time":"yesterday"}]}}`)
	expectStatus(t, err, 422, `"yesterday"`)
	_, err = reset(server.Client, k, "k.billing", `{"metadata":{"name":"k.other"},"spec":{"reset":[{"to":"latest"}]}}`)
	expectStatus(t, err, 400, "k.other", "k.billing")
	if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 1, 1: 4}) {
		t.Errorf("the brokers have %v", got)
	}
}

// The members of a group would overwrite its offsets.
func TestAGroupWithMembersIsNotReset(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kgo.Opt{"classic": nil, "consumer": {kgo.ServerSideBalancer()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newGroup(t)
			join(t, k, "shipping", "orders", 3, opts...)
			for _, dryRun := range [][]string{nil, {"All"}} {
				_, err := reset(server.Client, k, "k.shipping", `{"spec":{"reset":[{"topic":"orders","to":"earliest"}]}}`, dryRun...)
				expectStatus(t, err, 409, "Stable", "app-1 (pod-0) at 127.0.0.1")
			}
			if got := committed(k, "shipping", "orders"); len(got) > 0 {
				t.Errorf("the brokers have %v", got)
			}
		})
	}
}

// Somebody may join between the look and the commit: the brokers refuse then.
func TestAGroupThatGetsMembersMeanwhile(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "billing", Err: kerr.UnknownMemberID})
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"to":"earliest"}]}}`)
	expectStatus(t, err, 409, "UNKNOWN_MEMBER_ID")
}

func TestAStaleResetIsAConflict(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	view := mustOffsets(t, k, "k.billing")
	view.Spec.Reset = []v1beta1.OffsetReset{{To: v1beta1.EarliestOffset}}
	commit(t, k, "billing", "orders", 2)
	_, err := groupsOf(server.Client, k).UpdateOffsets(t.Context(), "k.billing", view, metav1.UpdateOptions{})
	expectStatus(t, err, 409, "committed offsets since")
	if got := committed(k, "billing", "orders"); got[0] != 2 {
		t.Errorf("the brokers have %v", got)
	}
	view.ResourceVersion = mustOffsets(t, k, "k.billing").ResourceVersion
	view.UID = "another"
	_, err = groupsOf(server.Client, k).UpdateOffsets(t.Context(), "k.billing", view, metav1.UpdateOptions{})
	expectStatus(t, err, 409, "uid")
	view.UID = ""
	if _, err := groupsOf(server.Client, k).UpdateOffsets(t.Context(), "k.billing", view, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 0, 1: 0}) {
		t.Errorf("the brokers have %v", got)
	}
}

// A group may be given the offsets that its first consumers are to start with, by who may create.
func TestAPutMakesAGroup(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	wanted := func(topic string) *v1beta1.KafkaConsumerGroupOffsets {
		return &v1beta1.KafkaConsumerGroupOffsets{ObjectMeta: metav1.ObjectMeta{Name: "k.fresh"},
			Spec: v1beta1.KafkaConsumerGroupOffsetsSpec{Reset: []v1beta1.OffsetReset{{Topic: topic, To: v1beta1.LatestOffset}}}}
	}
	put := func(name string, body *v1beta1.KafkaConsumerGroupOffsets, dryRun ...string) error {
		_, err := groupsOf(server.Client, k).UpdateOffsets(t.Context(), name, body, metav1.UpdateOptions{DryRun: dryRun})
		return err
	}
	expectStatus(t, put("k.fresh", wanted("")), 422, "spec.reset[0].topic", "name a topic")
	old := wanted("orders")
	old.ResourceVersion = "5"
	expectStatus(t, put("k.fresh", old), 404)
	if err := put("k.fresh", wanted("orders"), "All"); err != nil {
		t.Error(err)
	}
	client, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() == "update" })
	_, err := groupsOf(client, k).UpdateOffsets(t.Context(), "k.fresh", wanted("orders"), metav1.UpdateOptions{})
	expectStatus(t, err, 403, "create")
	if g := k.GroupInfo("fresh"); g != nil {
		t.Fatalf("there is a group %+v", g)
	}
	if err := put("k.fresh", wanted("orders")); err != nil {
		t.Fatal(err)
	}
	if got := committed(k, "fresh", "orders"); !maps.Equal(got, map[int32]int64{0: 5, 1: 5, 2: 5}) {
		t.Errorf("the brokers have %v", got)
	}
}

func TestAdmissionJudgesAReset(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	var seen []string
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		seen = append(seen, fmt.Sprintf("%s %s/%s %s %v", a.GetOperation(), a.GetResource().Resource, a.GetSubresource(), a.GetName(), a.IsDryRun()))
		return admission.NewForbidden(a, errors.New("the policy says no"))
	})
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"to":"earliest"}]}}`)
	expectStatus(t, err, 403, "the policy says no")
	if want := []string{"UPDATE kafkaconsumergroups/offsets k.billing false"}; !slices.Equal(seen, want) {
		t.Errorf("admission saw %q, want %q", seen, want)
	}
	if got := committed(k, "billing", "orders"); got[0] != 1 {
		t.Errorf("the brokers have %v", got)
	}
}

func TestAResetOfWhichSomeIsRefused(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "orders", Partitions: []int32{1}, Err: kerr.OffsetMetadataTooLarge})
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"topic":"orders","to":"earliest"}]}}`)
	expectStatus(t, err, 422, "2 of 3 partitions were reset", "orders-1", "OFFSET_METADATA_TOO_LARGE")
	if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 0, 1: 4, 2: 0}) {
		t.Errorf("the brokers have %v", got)
	}
}

// A leader that does not answer hides a lag, and stops a reset of its partitions alone.
func TestALeaderThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "orders", Partitions: []int32{0}, Err: kerr.KafkaStorageError, Count: -1})
	view := mustOffsets(t, k, "k.billing")
	rows := view.Status.Partitions
	if view.Status.Lag != nil || len(rows) != 2 || rows[0].Lag != nil || rows[0].EndOffset != nil || !strings.Contains(rows[0].Message, "KAFKA_STORAGE_ERROR") || ptr.Deref(rows[1].Lag, -1) != 1 {
		t.Errorf("the view is %+v", view.Status)
	}
	shown := lines(tableOf(t, k, "k.billing"))
	if !strings.HasSuffix(shown[1], "0 unknown") {
		t.Errorf("shown as %q", shown)
	}
	_, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"to":"earliest"}]}}`)
	expectStatus(t, err, 503, "KAFKA_STORAGE_ERROR")
	if got := committed(k, "billing", "orders"); !maps.Equal(got, map[int32]int64{0: 1, 1: 4}) {
		t.Errorf("the brokers have %v", got)
	}
	if _, err := reset(server.Client, k, "k.billing", `{"spec":{"reset":[{"topic":"orders","partitions":[1,2],"to":"earliest"}]}}`); err != nil {
		t.Errorf("a reset of other partitions: %v", err)
	}
}

// Clients have more ways to write than one.
func TestEveryKindOfPatchResets(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	apply := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaConsumerGroupOffsets","metadata":{"name":"k.billing"},"spec":{"reset":[{"topic":"orders","offset":2}]}}`
	for _, tc := range []struct {
		kind types.PatchType
		body string
		want map[int32]int64
	}{
		{types.JSONPatchType, `[{"op":"add","path":"/spec/reset","value":[{"to":"earliest"}]}]`, map[int32]int64{0: 0, 1: 0}},
		{types.StrategicMergePatchType, `{"spec":{"reset":[{"topic":"orders","partitions":[2],"to":"latest"}]}}`, map[int32]int64{0: 0, 1: 0, 2: 5}},
		{types.ApplyPatchType, apply, map[int32]int64{0: 2, 1: 2, 2: 2}},
	} {
		err := server.Client.KafkaV1beta1().RESTClient().Patch(tc.kind).Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").Name("k.billing").
			SubResource("offsets").Param("fieldManager", "test").Body([]byte(tc.body)).Do(t.Context()).Error()
		if err != nil {
			t.Errorf("%s: %v", tc.kind, err)
		}
		if got := committed(k, "billing", "orders"); !maps.Equal(got, tc.want) {
			t.Errorf("%s: the brokers have %v, want %v", tc.kind, got, tc.want)
		}
	}
}

// What our account on the brokers may not see is missing from the answer, and the rest is there.
func TestATopicThatTheAccountMayNotSee(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3, kfake.SeedTopics(1, "orders", "secret"))
	produce(t, k, "orders", 1, 5)
	commit(t, k, "billing", "orders", 1)
	commit(t, k, "billing", "secret", 3)
	k.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.MetadataRequest)
		i := slices.IndexFunc(asked.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic != nil && *t.Topic == "secret" })
		if i < 0 {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		response.ControllerID = -1
		for node, addr := range k.ListenAddrs() {
			host, port, _ := strings.Cut(addr, ":")
			number, _ := strconv.Atoi(port)
			broker := kmsg.NewMetadataResponseBroker()
			broker.NodeID, broker.Host, broker.Port = int32(node), host, int32(number)
			response.Brokers = append(response.Brokers, broker)
		}
		for _, one := range asked.Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.ErrorCode = one.Topic, 29
			if *one.Topic == "orders" {
				topic.ErrorCode, topic.TopicID = 0, k.TopicInfo("orders").TopicID
				partition := kmsg.NewMetadataResponseTopicPartition()
				partition.Leader, partition.Replicas, partition.ISR = k.LeaderFor("orders", 0), []int32{0}, []int32{0}
				topic.Partitions = append(topic.Partitions, partition)
			}
			response.Topics = append(response.Topics, topic)
		}
		return response, nil, true
	})
	view := mustOffsets(t, k, "k.billing")
	rows := map[string]v1beta1.ConsumerGroupOffset{}
	for _, row := range view.Status.Partitions {
		rows[row.Topic] = row
	}
	if len(rows) != 2 || ptr.Deref(rows["orders"].Lag, -1) != 4 || !strings.Contains(rows["secret"].Message, "Describe on the topic") || rows["secret"].Lag != nil || view.Status.Lag != nil {
		t.Errorf("%+v", view.Status)
	}
}

// kafka-consumer-groups shows such a lag as it is.
func TestALagCanBeBelowZero(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(2, "orders"))
	produce(t, k, "orders", 2, 5)
	commit(t, k, "billing", "orders", 1000, 2)
	view := mustOffsets(t, k, "k.billing")
	if rows := view.Status.Partitions; len(rows) != 2 || ptr.Deref(rows[0].Lag, 0) != -995 || ptr.Deref(rows[1].Lag, 0) != 3 || ptr.Deref(view.Status.Lag, 0) != 3 {
		t.Errorf("%+v", view.Status)
	}
}

// A dry run says what brokers say to the real one: the id is another kind's.
func TestAnIDOfAnotherKindOfGroup(t *testing.T) {
	t.Parallel()
	k := newGroup(t)
	k.ControlKey(int16(kmsg.ListGroups), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		response := request.ResponseKind().(*kmsg.ListGroupsResponse)
		group := kmsg.NewListGroupsResponseGroup()
		group.Group, group.GroupType, group.ProtocolType, group.GroupState = "shared", "share", "share", "Stable"
		response.Groups = append(response.Groups, group)
		return response, nil, true
	})
	body := &v1beta1.KafkaConsumerGroupOffsets{ObjectMeta: metav1.ObjectMeta{Name: "k.shared"},
		Spec: v1beta1.KafkaConsumerGroupOffsetsSpec{Reset: []v1beta1.OffsetReset{{Topic: "orders", To: v1beta1.LatestOffset}}}}
	for _, dryRun := range [][]string{{"All"}, nil} {
		_, err := groupsOf(server.Client, k).UpdateOffsets(t.Context(), "k.shared", body, metav1.UpdateOptions{DryRun: dryRun})
		expectStatus(t, err, 422, "metadata.name", "another kind: it is share")
	}
	if g := k.GroupInfo("shared"); g != nil {
		t.Errorf("there is a group %+v", g)
	}
}
