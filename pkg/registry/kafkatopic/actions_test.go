package kafkatopic_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

func elect(t *testing.T, k *apiservertest.Kafka, spec v1beta1.KafkaTopicElectionSpec, dryRun ...string) (*v1beta1.KafkaTopicElection, error) {
	t.Helper()
	return topicsOf(server.Client, k).Elect(t.Context(), "orders", &v1beta1.KafkaTopicElection{Spec: spec}, metav1.CreateOptions{DryRun: dryRun})
}

// The fake rotates leaders and thinks of the leader as the first replica, so the controller's answers are written here.
func answerElections(k *apiservertest.Kafka, codes map[int32]int16, asked *[]*kmsg.ElectLeadersRequest) {
	script(k, int16(kmsg.ElectLeaders), func(request kmsg.Request) kmsg.Response {
		*asked = append(*asked, request.(*kmsg.ElectLeadersRequest))
		response := request.ResponseKind().(*kmsg.ElectLeadersResponse)
		topic := kmsg.NewElectLeadersResponseTopic()
		topic.Topic = "orders"
		for _, id := range request.(*kmsg.ElectLeadersRequest).Topics[0].Partitions {
			partition := kmsg.NewElectLeadersResponseTopicPartition()
			partition.Partition, partition.ErrorCode = id, codes[id]
			if codes[id] != 0 {
				partition.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("the controller says %d", codes[id]))
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
		return response
	})
}

func TestAnElectionTellsWhatCameOfEachPartition(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	var asked []*kmsg.ElectLeadersRequest
	answerElections(k, map[int32]int16{1: 84, 2: 80}, &asked)
	client, warnings := server.Warned(t)
	order, err := topicsOf(client, k).Elect(t.Context(), "orders", &v1beta1.KafkaTopicElection{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if order.Name != "orders" || order.UID != topic.UID || order.Spec.Type != v1beta1.ElectPreferred || len(order.Status.Partitions) != 3 {
		t.Fatalf("the answer is %+v", order)
	}
	for i, want := range []v1beta1.ActionResult{v1beta1.ResultDone, v1beta1.ResultUnchanged, v1beta1.ResultRefused} {
		leader := k.LeaderFor("orders", int32(i))
		if got := order.Status.Partitions[i]; got.Partition != int32(i) || got.Result != want || got.LeaderBefore != leader || got.LeaderAfter != leader {
			t.Errorf("partition %d: %+v, want %s", i, got, want)
		}
	}
	if message := order.Status.Partitions[2].Message; !strings.Contains(message, "PREFERRED_LEADER_NOT_AVAILABLE") || !strings.Contains(message, "the controller says 80") {
		t.Errorf("the refusal says %q", message)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "1 of 3 partitions were not elected") {
		t.Errorf("the warning is %q", text)
	}
	if len(asked) != 1 || asked[0].ElectionType != 0 || !slices.Equal(asked[0].Topics[0].Partitions, []int32{0, 1, 2}) {
		t.Errorf("the controller was asked for %+v", asked)
	}
	// With nothing elected the caller has to know.
	_, err = elect(t, k, v1beta1.KafkaTopicElectionSpec{Partitions: []int32{2}})
	expectStatus(t, err, 503, "PREFERRED_LEADER_NOT_AVAILABLE", "orders-2")
	asked = nil
	if _, err = elect(t, k, v1beta1.KafkaTopicElectionSpec{Type: v1beta1.ElectUnclean, Partitions: []int32{1}}); err != nil {
		t.Error(err)
	}
	if len(asked) != 1 || asked[0].ElectionType != 1 || !slices.Equal(asked[0].Topics[0].Partitions, []int32{1}) {
		t.Errorf("the controller was asked for %+v", asked)
	}
}

func TestElectionsRefuse(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	asked := counted(k, int16(kmsg.ElectLeaders))
	for _, tc := range []struct {
		rule  string
		order v1beta1.KafkaTopicElection
		code  int32
		words []string
	}{
		{"an unclean election of everything", v1beta1.KafkaTopicElection{Spec: v1beta1.KafkaTopicElectionSpec{Type: "Unclean"}}, 422, []string{"spec.partitions", "loses"}},
		{"another type", v1beta1.KafkaTopicElection{Spec: v1beta1.KafkaTopicElectionSpec{Type: "Dirty"}}, 422, []string{"spec.type", "Preferred", "Unclean"}},
		{"a partition that is not there", v1beta1.KafkaTopicElection{Spec: v1beta1.KafkaTopicElectionSpec{Partitions: []int32{0, 3}}}, 422, []string{"spec.partitions[1]", "0 to 2"}},
		{"a partition twice", v1beta1.KafkaTopicElection{Spec: v1beta1.KafkaTopicElectionSpec{Partitions: []int32{1, 1}}}, 422, []string{"Duplicate"}},
		{"a body for another topic", v1beta1.KafkaTopicElection{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, 400, []string{"other"}},
		{"a foreign uid", v1beta1.KafkaTopicElection{ObjectMeta: metav1.ObjectMeta{UID: "other"}}, 409, []string{"uid"}},
		{"an old version", v1beta1.KafkaTopicElection{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1"}}, 409, []string{"modified"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := topicsOf(server.Client, k).Elect(t.Context(), "orders", &tc.order, metav1.CreateOptions{})
			expectStatus(t, err, tc.code, tc.words...)
		})
	}
	order, err := elect(t, k, v1beta1.KafkaTopicElectionSpec{}, metav1.DryRunAll)
	if err != nil || len(order.Status.Partitions) != 3 || order.Status.Partitions[0].Result != v1beta1.ResultUnchanged {
		t.Errorf("a dry run: %v %+v", err, order)
	}
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		if order, ok := a.GetObject().(*kafka.KafkaTopicElection); !ok || a.GetSubresource() != "elect" || a.GetOperation() != admission.Create || order.Spec.Type != kafka.ElectPreferred {
			t.Errorf("admission sees %T at %s", a.GetObject(), a.GetSubresource())
		}
		return admission.NewForbidden(a, errNo)
	})
	_, err = elect(t, k, v1beta1.KafkaTopicElectionSpec{})
	expectStatus(t, err, 403, "the policy says no")
	if n := asked.Load(); n != 0 {
		t.Errorf("the controller was asked %d times", n)
	}
}

// truncation cuts partitions before offsets.
func truncation(before map[int32]int64) *v1beta1.KafkaTopicTruncation {
	order := &v1beta1.KafkaTopicTruncation{}
	for id, offset := range before {
		order.Spec.Partitions = append(order.Spec.Partitions, v1beta1.TruncationTarget{Partition: id, BeforeOffset: ptr.To(offset)})
	}
	return order
}

func truncate(t *testing.T, k *apiservertest.Kafka, order *v1beta1.KafkaTopicTruncation, dryRun ...string) (*v1beta1.KafkaTopicTruncation, error) {
	t.Helper()
	return topicsOf(server.Client, k).Truncate(t.Context(), "orders", order, metav1.CreateOptions{DryRun: dryRun})
}

// produce writes n records into each partition, one second apart from a time on.
func produce(t *testing.T, k *apiservertest.Kafka, topic string, partitions, n int, from time.Time) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range n {
		for partition := range partitions {
			record := &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("v"), Timestamp: from.Add(time.Duration(i) * time.Second)}
			if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// starts are the first offsets of the partitions as the brokers tell another client.
func starts(t *testing.T, k *apiservertest.Kafka, topic string) []int64 {
	t.Helper()
	var all []int64
	for id := range int32(len(k.Topics(t)[topic].Partitions)) {
		all = append(all, k.PartitionInfo(topic, id).LogStartOffset)
	}
	return all
}

func TestATruncationDeletesWhatADryRunTells(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	produce(t, k, "orders", 3, 10, time.Now().Add(-time.Hour))
	order := truncation(map[int32]int64{0: 4, 1: -1, 2: 0})
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		got, err := truncate(t, k, order.DeepCopy(), dryRun...)
		if err != nil {
			t.Fatal(err)
		}
		want := []v1beta1.PartitionTruncation{
			{Partition: 0, Result: "Done", StartOffset: 0, NewStartOffset: 4, EndOffset: 10, Records: 4},
			{Partition: 1, Result: "Done", StartOffset: 0, NewStartOffset: 10, EndOffset: 10, Records: 10},
			{Partition: 2, Result: "Unchanged", StartOffset: 0, NewStartOffset: 0, EndOffset: 10, Records: 0},
		}
		if !slices.Equal(got.Status.Partitions, want) || got.Status.Records != 14 {
			t.Errorf("dry run %v: the answer is %+v", dryRun, got.Status)
		}
		after := []int64{4, 10, 0}
		if dryRun != nil {
			after = []int64{0, 0, 0}
		}
		if got := starts(t, k, "orders"); !slices.Equal(got, after) {
			t.Errorf("dry run %v: the partitions begin at %v, want %v", dryRun, got, after)
		}
	}
}

func TestATruncationBeforeATime(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	from := time.Now().Add(-time.Hour).Truncate(time.Second)
	produce(t, k, "orders", 3, 10, from)
	at := metav1.NewTime(from.Add(3 * time.Second))
	one := &v1beta1.KafkaTopicTruncation{Spec: v1beta1.KafkaTopicTruncationSpec{BeforeTime: &at, Partitions: []v1beta1.TruncationTarget{{Partition: 1}}}}
	if _, err := truncate(t, k, one); err != nil {
		t.Fatal(err)
	}
	if got := starts(t, k, "orders"); !slices.Equal(got, []int64{0, 3, 0}) {
		t.Errorf("the partitions begin at %v", got)
	}
	// All records are older than this time, so all go.
	at = metav1.NewTime(from.Add(time.Minute))
	all, err := truncate(t, k, &v1beta1.KafkaTopicTruncation{Spec: v1beta1.KafkaTopicTruncationSpec{BeforeTime: &at}})
	if err != nil {
		t.Fatal(err)
	}
	if got := starts(t, k, "orders"); !slices.Equal(got, []int64{10, 10, 10}) || all.Status.Records != 27 {
		t.Errorf("the partitions begin at %v: %+v", got, all.Status)
	}
}

func TestTruncationsRefuse(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	produce(t, k, "orders", 1, 5, time.Now().Add(-time.Hour))
	asked := counted(k, int16(kmsg.DeleteRecords))
	future := metav1.NewTime(time.Now().Add(time.Hour))
	past := metav1.NewTime(time.Now().Add(-time.Minute))
	for _, tc := range []struct {
		rule  string
		spec  v1beta1.KafkaTopicTruncationSpec
		code  int32
		words []string
	}{
		{"nothing said", v1beta1.KafkaTopicTruncationSpec{}, 422, []string{"spec", "beforeTime"}},
		{"a partition without an offset", v1beta1.KafkaTopicTruncationSpec{Partitions: []v1beta1.TruncationTarget{{}}}, 422, []string{"spec.partitions[0].beforeOffset", "-1"}},
		{"a time and an offset", v1beta1.KafkaTopicTruncationSpec{BeforeTime: &past, Partitions: []v1beta1.TruncationTarget{{BeforeOffset: ptr.To[int64](1)}}}, 422, []string{"spec.partitions[0].beforeOffset"}},
		{"a time to come", v1beta1.KafkaTopicTruncationSpec{BeforeTime: &future}, 422, []string{"spec.beforeTime", "future"}},
		{"a partition that is not there", truncation(map[int32]int64{3: 0}).Spec, 422, []string{"spec.partitions[0].partition", "0 to 2"}},
		{"an offset beyond the end", truncation(map[int32]int64{0: 6}).Spec, 422, []string{"spec.partitions[0].beforeOffset", "ends at offset 5"}},
		{"a negative offset", truncation(map[int32]int64{0: -2}).Spec, 422, []string{"spec.partitions[0].beforeOffset"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := truncate(t, k, &v1beta1.KafkaTopicTruncation{Spec: tc.spec})
			expectStatus(t, err, tc.code, tc.words...)
		})
	}
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		if _, ok := a.GetObject().(*kafka.KafkaTopicTruncation); !ok || a.GetSubresource() != "truncate" {
			return nil
		}
		return admission.NewForbidden(a, errNo)
	})
	_, err := truncate(t, k, truncation(map[int32]int64{0: -1}))
	expectStatus(t, err, 403, "the policy says no")
	if n := asked.Load(); n != 0 {
		t.Errorf("leaders were asked %d times", n)
	}
}

func TestACompactedTopicIsNotTruncated(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Config = map[string]string{"cleanup.policy": "compact"} }))
	asked := counted(k, int16(kmsg.DeleteRecords))
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := truncate(t, k, truncation(map[int32]int64{0: -1}), dryRun...)
		expectStatus(t, err, 403, "POLICY_VIOLATION", "compact,delete")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("leaders were asked %d times", n)
	}
}

func TestAPartlyRefusedTruncationWarns(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) }))
	produce(t, k, "orders", 3, 5, time.Now().Add(-time.Hour))
	script(k, int16(kmsg.DeleteRecords), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.DeleteRecordsResponse)
		topic := kmsg.NewDeleteRecordsResponseTopic()
		topic.Topic = "orders"
		for _, p := range request.(*kmsg.DeleteRecordsRequest).Topics[0].Partitions {
			partition := kmsg.NewDeleteRecordsResponseTopicPartition()
			partition.Partition, partition.LowWatermark = p.Partition, p.Offset
			if p.Partition == 1 {
				partition.ErrorCode = 44
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
		return response
	})
	client, warnings := server.Warned(t)
	got, err := topicsOf(client, k).Truncate(t.Context(), "orders", truncation(map[int32]int64{0: 2, 1: 2, 2: 2}), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	refused := got.Status.Partitions[1]
	if refused.Result != "Refused" || !strings.Contains(refused.Message, "POLICY_VIOLATION") || refused.Records != 0 || got.Status.Records != 4 {
		t.Errorf("the answer is %+v", got.Status)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "1 of 3 partitions were not truncated") {
		t.Errorf("the warning is %q", text)
	}
	_, err = truncate(t, k, truncation(map[int32]int64{1: 2}))
	expectStatus(t, err, 403, "POLICY_VIOLATION", "orders-1")
}
