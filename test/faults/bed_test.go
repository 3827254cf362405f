//go:build integration || long

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const (
	namespace  = "faults"
	partitions = 6
	brokers    = 3
	writers    = 8
	// impatience is when every second writer gives a request up, which is longer than most take while nothing fails.
	impatience = 1500 * time.Millisecond
	// breath is what a writer waits between two requests.
	breath = 20 * time.Millisecond
	// recordsEach are those of one request.
	recordsEach = 3
	patience    = testbed.Patience
)

// bed is an API server before three brokers, which are controllers, too.
type bed struct {
	*testbed.Bed
	*testing.T
	doors *doors
	// small is the folder of the data of broker 0, on a file system of its own when there is one.
	small string
}

// startBed starts it. prepare is called with the folder of the data of broker 0 before that starts.
func startBed(t *testing.T, prepare func(t *testing.T, folder string)) *bed {
	t.Helper()
	server := testbed.Start(t, namespace)
	b := &bed{T: t, doors: newDoors(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "kafka")
	b.small = filepath.Join(dir, "node-0", "data")
	if err := os.MkdirAll(b.small, 0o755); err != nil {
		t.Fatal(err)
	}
	prepare(t, b.small)
	kafka, err := kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: dir, Nodes: brokers, HeapMiB: 256, ControllerDoor: b.doors.open, Config: map[string]string{
		// Brokers that are not heard of are fenced after three seconds in place of nine.
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
		// A quarter of the heap is enough for what cleans logs.
		"log.cleaner.dedupe.buffer.size": "4194304",
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.Bed = server.Add(t, kafka, "k")
	return b
}

// newTopic makes a topic whose records are safe with any two of the brokers.
func (b *bed) newTopic(t *testing.T, name string) {
	t.Helper()
	b.NewTopic(t, name, partitions, brokers, v1beta1.TopicConfig{"min.insync.replicas": "2"})
}

// write writes records with values of its own until it is told to stop, one request after the other. Of what it gives up itself it does not
// know the outcome; those that come later must not be taken for it.
func (b *bed) write(topic string, writer int, ledger *Ledger, stop <-chan struct{}) {
	client := b.RESTClient()
	for request := 0; ; request++ {
		// The brokers' work is to fail and to come back, which others on the machine should let them do.
		select {
		case <-stop:
			return
		case <-time.After(breath):
		}
		var values []string
		body := &v1beta1.KafkaTopicRecords{}
		for i := range recordsEach {
			value := fmt.Sprintf("%s-%d-%d-%d", topic, writer, request, i)
			values = append(values, value)
			body.Spec.Records = append(body.Spec.Records, v1beta1.TopicRecord{Value: &value, Partition: ptr.To(rand.Int32N(partitions))})
		}
		answer := &v1beta1.KafkaTopicRecords{}
		ctx, cancel := context.Background(), func() {}
		if writer%2 == 1 {
			ctx, cancel = context.WithTimeout(ctx, impatience)
		}
		// client-go asks again when it is told to come later, and would write the values a second time.
		err := client.Post().Namespace(namespace).Resource("kafkatopics").Name(topic).SubResource("records").Body(body).MaxRetries(0).
			Do(ctx).Into(answer)
		cancel()
		for i, value := range values {
			switch {
			case err != nil && apierrors.ReasonForError(err) != metav1.StatusReasonUnknown && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err):
				ledger.Note(value, Refused, nil)
			case err != nil:
				ledger.Note(value, Unknown, nil)
			case i >= len(answer.Status.Results):
				b.Errorf("%d records are sent, and the answer is %+v", len(values), answer.Status)
				return
			default:
				result := answer.Status.Results[i]
				switch {
				case result.Reason == v1beta1.ReasonOutcomeUnknown:
					ledger.Note(value, Unknown, nil)
				case result.Reason != "":
					ledger.Note(value, Refused, nil)
				case result.Offset == nil:
					ledger.Note(value, Written, nil)
				default:
					ledger.Note(value, Written, &Place{result.Partition, *result.Offset})
				}
			}
		}
	}
}

// live are the brokers that one of them believes to be alive, and what it knows of a topic.
func (b *bed) live(ctx context.Context, witness *kgo.Client, topic string) ([]int32, []kmsg.MetadataResponseTopicPartition, error) {
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := witness.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	response := answer.(*kmsg.MetadataResponse)
	var ids []int32
	for _, broker := range response.Brokers {
		ids = append(ids, broker.NodeID)
	}
	if len(response.Topics) != 1 || response.Topics[0].ErrorCode != 0 {
		return ids, nil, fmt.Errorf("the topic %s is told as %+v", topic, response.Topics)
	}
	return ids, response.Topics[0].Partitions, nil
}

// until waits for what brokers do, as one of them tells it.
func (b *bed) until(t *testing.T, what string, witness int, topic string, holds func(live []int32, partitions []kmsg.MetadataResponseTopicPartition) bool) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Kafka.Broker(witness).Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	testbed.Until(t, fmt.Sprintf("broker %d tells that %s", witness, what), func() string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		live, all, err := b.live(ctx, client, topic)
		if err == nil && holds(live, all) {
			return ""
		}
		return fmt.Sprintf("%v alive, %+v, %v", live, all, err)
	})
}

// fenced waits until another broker does not count on one any more.
func (b *bed) fenced(t *testing.T, topic string, broker int) {
	t.Helper()
	b.until(t, fmt.Sprintf("broker %d is gone", broker), (broker+1)%brokers, topic, func(live []int32, partitions []kmsg.MetadataResponseTopicPartition) bool {
		return !slices.Contains(live, int32(broker)) && !slices.ContainsFunc(partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader == int32(broker) })
	})
}

// whole waits until all brokers have all of a topic.
func (b *bed) whole(t *testing.T, topic string) {
	t.Helper()
	for broker := range brokers {
		b.until(t, "all replicas are in sync", broker, topic, func(live []int32, all []kmsg.MetadataResponseTopicPartition) bool {
			return len(live) == brokers && len(all) == partitions &&
				!slices.ContainsFunc(all, func(p kmsg.MetadataResponseTopicPartition) bool { return len(p.ISR) < brokers || p.Leader < 0 })
		})
	}
}

// read reads all of a topic from its first offsets on.
func (b *bed) read(t *testing.T, topic string) map[string][]Place {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	offsets := func(client *kgo.Client, at int64) map[int32]int64 {
		request := kmsg.NewPtrListOffsetsRequest()
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = topic
		for p := range int32(partitions) {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p, at
			asked.Partitions = append(asked.Partitions, partition)
		}
		request.Topics = append(request.Topics, asked)
		told := map[int32]int64{}
		for _, shard := range client.RequestSharded(ctx, request) {
			if shard.Err != nil {
				t.Fatal(shard.Err)
			}
			for _, answered := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
				for _, p := range answered.Partitions {
					if p.ErrorCode != 0 {
						t.Fatalf("the offsets of partition %d are error %d", p.Partition, p.ErrorCode)
					}
					told[p.Partition] = p.Offset
				}
			}
		}
		return told
	}
	start := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		start[p] = kgo.NewOffset().AtStart()
	}
	client := b.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	first, end := offsets(client, -2), offsets(client, -1)
	if len(end) != partitions {
		t.Fatalf("the ends are %v", end)
	}
	read := map[string][]Place{}
	for next := first; ; {
		done := true
		for p, to := range end {
			done = done && next[p] >= to
		}
		if done {
			return read
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("at %v of %v: %v", next, end, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read[string(r.Value)] = append(read[string(r.Value)], Place{r.Partition, r.Offset})
			next[r.Partition] = r.Offset + 1
		})
	}
}

// pause tells whether a time has passed before the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
