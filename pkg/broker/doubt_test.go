package broker

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// afterTheAppend has the answer to the next Produce request be a code although the broker has written the batch, and calls then.
func afterTheAppend(b *bench, code int16, then func()) {
	answered := false
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if produced, ok := resp.(*kmsg.ProduceResponse); ok && !answered {
				answered = true
				p := &produced.Topics[0].Partitions[0]
				p.ErrorCode, p.BaseOffset = code, -1
				then()
			}
		}
	})
}

// A leader that resigns while it waits for replicas answers as one that never was the leader, and has written the batch all the same.
func TestARefusalThatMayComeAfterTheAppendIsNoProof(t *testing.T) {
	for name, code := range map[string]int16{
		"not the leader any more": kafkaerr.NotLeaderOrFollower, "not known any more": kafkaerr.UnknownTopicOrPartition,
		"a disk that is gone": kafkaerr.KafkaStorageError, "timed out": kafkaerr.RequestTimedOut,
		"too few replicas": kafkaerr.NotEnoughReplicasAfterAppend, "an error of its own": kafkaerr.UnknownServerError, "a code that nobody knows": 9999,
	} {
		for how, then := range map[string]int16{
			"until time is up": kafkaerr.NotLeaderOrFollower, "until too few replicas": kafkaerr.NotEnoughReplicas, "until a refusal": kafkaerr.MessageTooLarge,
			"until another sequence is wanted": kafkaerr.OutOfOrderSequenceNumber,
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{VerdictTimeout: 100 * time.Millisecond}, kfake.SeedTopics(1, "orders"))
				topic := mustTopic(t, b, "orders")
				ctx, cancel := context.WithCancel(testContext(t))
				defer cancel()
				refusals := 0
				afterTheAppend(b, code, func() {
					answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool {
						// The last one is refused as well: brokers that took it would tell, and the outcome were known.
						waits := ctx.Err() == nil
						if refusals++; refusals == 3 {
							cancel()
						}
						p.ErrorCode = then
						return waits
					})
				})
				written, err := b.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
				if err != nil || !kafkaerr.IsUnknownOutcome(written[0].Err) {
					t.Fatalf("%+v, %v", written, err)
				}
				cancel()
				// The brokers know the producer's number as that of another record: this one would be taken for it, and never be written.
				written, err = b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("two")}}, false)
				if err != nil || written[0].Err != nil || written[0].Offset != 1 {
					t.Fatalf("%+v, %v", written, err)
				}
				got := consumeAll(t, b, "orders", 2)[0]
				if string(got[0].Value) != "one" || string(got[1].Value) != "two" {
					t.Errorf("%s, %s", got[0].Value, got[1].Value)
				}
			})
		}
	}
}

// The next answer settles it: the brokers know the batch by its number.
func TestADoubtIsSettledByTheNextAnswer(t *testing.T) {
	for name, code := range map[string]int16{"not the leader": kafkaerr.NotLeaderOrFollower, "an error of its own": kafkaerr.UnknownServerError} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			topic := mustTopic(t, b, "orders")
			afterTheAppend(b, code, func() {})
			written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
			if err != nil || written[0].Err != nil || written[0].Offset != 0 {
				t.Fatalf("%+v, %v", written, err)
			}
			consumeAll(t, b, "orders", 1)
			if len(b.cluster.records.Producers.Idle) != 1 {
				t.Error("a producer whose batch was acknowledged is not used again")
			}
		})
	}
}

// Brokers that forgot where a batch is know at least that it is there. To a batch that was never sent before, the same words say that the
// number is another's: it goes under another producer.
func TestADuplicateWithoutDoubtIsAnothersNumber(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	refused := false
	answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool {
		p.ErrorCode = kafkaerr.DuplicateSequenceNumber
		again := refused
		refused = true
		return !again
	})
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
	if err != nil || written[0].Err != nil || written[0].Offset != 0 {
		t.Fatalf("%+v, %v", written, err)
	}
	consumeAll(t, b, "orders", 1)
	if n := len(b.cluster.records.Producers.Idle); n != 0 {
		t.Errorf("%d producers are kept of which one's numbers are disputed", n)
	}
}

// Whatever ends the work on a batch, a panic too, leaves it open.
func TestAProducerWithAnOpenBatchIsNotUsedAgain(t *testing.T) {
	c := &records.Records{}
	key := records.ProducerKey{Topic: "orders"}
	for name, tt := range map[string]struct {
		use  func(*records.Producer)
		kept bool
	}{
		"unused":       {func(*records.Producer) {}, true},
		"acknowledged": {func(p *records.Producer) { p.Begin(key); p.Settle(key, 3) }, true},
		"refused":      {func(p *records.Producer) { p.Begin(key); p.Settle(key, 0) }, true},
		"open":         {func(p *records.Producer) { p.Begin(key) }, false},
		"one open": {func(p *records.Producer) {
			p.Begin(key)
			p.Begin(records.ProducerKey{Topic: "other"})
			p.Settle(key, 1)
		}, false},
		"near its end":  {func(p *records.Producer) { p.Begin(key); p.Settle(key, 1<<30+1) }, false},
		"left by panic": {func(p *records.Producer) { defer func() { _ = recover() }(); p.Begin(key); panic("a bug") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.Producers.Idle = nil
			p := &records.Producer{Next: map[records.ProducerKey]int32{}}
			tt.use(p)
			c.GiveProducer(p)
			if kept := len(c.Producers.Idle) == 1; kept != tt.kept {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}

// A leader that resigns while it waits for replicas has deleted the records.
func TestARefusalThatMayComeAfterTheDeletionIsLookedUp(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kmsg.DeleteRecordsResponse)
		done   bool
	}{
		"not the leader any more": {func(r *kmsg.DeleteRecordsResponse) {
			r.Topics[0].Partitions[0].ErrorCode = kafkaerr.NotLeaderOrFollower
		}, true},
		"a disk that is gone":           {func(r *kmsg.DeleteRecordsResponse) { r.Topics[0].Partitions[0].ErrorCode = kafkaerr.KafkaStorageError }, true},
		"an error of the broker's own":  {func(r *kmsg.DeleteRecordsResponse) { r.Topics[0].Partitions[0].ErrorCode = kafkaerr.UnknownServerError }, true},
		"the partition not mentioned":   {func(r *kmsg.DeleteRecordsResponse) { r.Topics[0].Partitions = nil }, true},
		"a refusal before the deletion": {func(r *kmsg.DeleteRecordsResponse) { r.Topics[0].Partitions[0].ErrorCode = kafkaerr.PolicyViolation }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 10)...)
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					if deleted, ok := resp.(*kmsg.DeleteRecordsResponse); ok {
						tt.change(deleted)
					}
				}
			})
			got, err := b.cluster.DeleteRecords(testContext(t), mustTopic(t, b, "orders"), map[int32]int64{0: 6})
			if err != nil {
				t.Fatal(err)
			}
			if done := got[0].Err == nil && got[0].Start == 6; done != tt.done || kafkaerr.IsUnknownOutcome(got[0].Err) {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// What one attempt may have done is not undone by the next that nobody can be asked for.
func TestALaterAttemptDoesNotTakeADoubtAway(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 10)...)
	topic := mustTopic(t, b, "orders")
	result := map[int32]Truncation{0: {Start: -1, Err: kafkaerr.New("delete records", "orders-0", kafkaerr.NotLeaderOrFollower, nil, 0), Doubt: true}}
	leaderless := topic
	leaderless.Partitions = []Partition{{ID: 0, Leader: -1}}
	b.cluster.records.AskLeadersToDelete(testContext(t), leaderless, []int32{0}, map[int32]int64{0: 6}, result)
	if !result[0].Doubt || kafkaerr.CodeOf(result[0].Err) != kafkaerr.LeaderNotAvailable {
		t.Errorf("%+v", result[0])
	}
}
