package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func TestWhereTwoLogsPart(t *testing.T) {
	read := records.Lineage{}
	for _, batch := range []records.EpochStart{{Epoch: 1, Offset: 0}, {Epoch: 1, Offset: 3}, {Epoch: 3, Offset: 5}, {Epoch: 4, Offset: 7}} {
		read.Grow(batch.Epoch, batch.Offset)
	}
	for name, tt := range map[string]struct {
		next  int64
		epoch int32
		end   int64
		want  int64
		left  records.Lineage
	}{
		"cut within the last epoch":             {9, 4, 8, 8, records.Lineage{{Epoch: 1, Offset: 0}, {Epoch: 3, Offset: 5}, {Epoch: 4, Offset: 7}}},
		"another leader instead of the last":    {9, 3, 20, 7, records.Lineage{{Epoch: 1, Offset: 0}, {Epoch: 3, Offset: 5}}},
		"one that was not read in between":      {9, 2, 30, 5, records.Lineage{{Epoch: 1, Offset: 0}}},
		"and ended before":                      {9, 1, 2, 2, records.Lineage{{Epoch: 1, Offset: 0}}},
		"before all that was read":              {9, 0, 40, 0, records.Lineage{}},
		"before all that was read, and shorter": {9, -1, 0, 0, records.Lineage{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := slices.Clone(read)
			if got := l.Cut(tt.next, tt.epoch, tt.end); got != tt.want || !slices.Equal(l, tt.left) {
				t.Errorf("they part at %d, and %v is left; want %d, %v", got, l, tt.want, tt.left)
			}
		})
	}
	for epoch := range int32(3 * records.MaxLineage) {
		read.Grow(10+epoch, int64(100+epoch))
	}
	if len(read) != records.MaxLineage || read.Last() != 10+3*records.MaxLineage-1 {
		t.Errorf("%d epochs are kept, the last is %d", len(read), read.Last())
	}
	if read.Grow(-1, 200); read.Last() != -1 {
		t.Errorf("the epoch of a batch without one is %d", read.Last())
	}
	if read.Grow(5, 200); read.Last() != 5 {
		t.Errorf("the last epoch is %d", read.Last())
	}
}

// twoEpochs is a topic whose offsets 0 to 9 are of one leader and 10 to 14 of the next, and the epoch of the last.
func twoEpochs(t *testing.T, b *bench) (Topic, Reading) {
	t.Helper()
	client := newProducer(t, b)
	mustProduce(t, client, numbered("orders", 0, 0, 10)...)
	if err := b.kafka.MoveTopicPartition("orders", 0, (b.kafka.LeaderFor("orders", 0)+1)%3); err != nil {
		t.Fatal(err)
	}
	client.ForceMetadataRefresh()
	mustProduce(t, client, numbered("orders", 0, 10, 5)...)
	return wholeTopic(t, b, "orders")
}

// diverge has the leader answer once, to who asks for an offset, that its log parts from what was read. The fake brokers have no such thing.
func diverge(b *bench, at int64, epoch func(*kmsg.FetchRequest) int32, end, stable int64) {
	told := false
	b.rewriteFetches(func(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
		if asked := req.Topics[0].Partitions[0]; !told && asked.FetchOffset == at {
			told = true
			p := &resp.Topics[0].Partitions[0]
			p.RecordBatches, p.LastStableOffset = nil, stable
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = epoch(req), end
		}
	})
}

// An unclean election: what was read last is gone, and others have written in its place.
func TestALogThatWasCutAndHasGrownAgainIsNoticed(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := twoEpochs(t, b)
	diverge(b, 15, func(req *kmsg.FetchRequest) int32 { return req.Topics[0].Partitions[0].LastFetchedEpoch - 1 }, 12, 15)
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From}, got) }()
	eventually(t, "what is in the place of what was read is read", func() bool { return got.count() == 20 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if want := append(numbers(0, 15), numbers(10, 5)...); !slices.Equal(got.values(0), want) || !slices.Equal(got.gaps, []Gap{{Partition: 0, From: 15, Next: 10}}) {
		t.Errorf("got %v and %+v", got.values(0), got.gaps)
	}
}

// Who waits at the end of a log has read nothing of it yet.
func TestALogThatIsCutBeforeTheFirstRecordComes(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := twoEpochs(t, b)
	ranges, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted)
	if err != nil || ranges[0].Epoch != topic.Partitions[0].LeaderEpoch {
		t.Fatalf("%+v, %v", ranges, err)
	}
	diverge(b, 15, func(req *kmsg.FetchRequest) int32 { return req.Topics[0].Partitions[0].LastFetchedEpoch - 1 }, 12, 15)
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() {
		ended <- b.cluster.Read(ctx, topic, Reading{From: what.Until, Epochs: map[int32]int32{0: ranges[0].Epoch}}, got)
	}()
	eventually(t, "what is in the place of the end is read", func() bool { return got.count() == 3 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !slices.Equal(got.values(0), numbers(12, 3)) || !slices.Equal(got.gaps, []Gap{{Partition: 0, From: 15, Next: 12}}) {
		t.Errorf("got %v and %+v", got.values(0), got.gaps)
	}
}

// A leader that has written nothing leaves no epoch in other logs: then nothing was cut.
func TestALeaderThatWroteNothingCutsNothing(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := twoEpochs(t, b)
	diverge(b, 15, func(*kmsg.FetchRequest) int32 { return 0 }, 15, 15)
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() {
		ended <- b.cluster.Read(ctx, topic, Reading{From: what.Until, Epochs: map[int32]int32{0: 1}}, got)
	}()
	mustProduce(t, newProducer(t, b), numbered("orders", 0, 15, 1)...)
	eventually(t, "the next record is read", func() bool { return got.count() == 1 })
	cancel()
	<-ended
	if !slices.Equal(got.values(0), numbers(15, 1)) || len(got.gaps) > 0 {
		t.Errorf("got %v and %+v", got.values(0), got.gaps)
	}
}

// The end that was to be reached is not there any more.
func TestALogThatWasCutEndsWhereItEndsNow(t *testing.T) {
	for name, tt := range map[string]struct {
		end, stable int64
		want        []string
	}{
		"shorter than what was read":   {4, 4, numbers(0, 10)},
		"shorter than what was wanted": {4, 6, append(numbers(0, 10), numbers(4, 2)...)},
		"grown beyond it":              {4, 99, append(numbers(0, 10), numbers(4, 11)...)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			topic, what := twoEpochs(t, b)
			cut := false
			b.rewriteFetches(func(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
				p := &resp.Topics[0].Partitions[0]
				switch asked := req.Topics[0].Partitions[0]; {
				case asked.FetchOffset == 10 && !cut:
					cut = true
					p.RecordBatches, p.LastStableOffset = nil, tt.stable
					p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = asked.LastFetchedEpoch, tt.end
				case asked.FetchOffset == 0:
					// The first answer ends with the first leader's records.
					p.RecordBatches = firstBatch(p.RecordBatches)
				}
			})
			got := &notes{}
			if err := b.cluster.Read(testContext(t), topic, what, got); err != nil || !cut {
				t.Fatal(err, cut)
			}
			if !slices.Equal(got.values(0), tt.want) || !slices.Equal(got.gaps, []Gap{{Partition: 0, From: 10, Next: tt.end}}) {
				t.Errorf("got %v and %+v", got.values(0), got.gaps)
			}
		})
	}
}

// firstBatch leaves out what is behind the first batch.
func firstBatch(records []byte) []byte {
	var first kmsg.RecordBatch
	if err := first.ReadFrom(records); err != nil {
		return records
	}
	return records[:12+first.Length]
}

// Requests say which leader they are for, so that one that was left behind does not answer them.
func TestLeadersAreAskedByTheirEpoch(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := twoEpochs(t, b)
	epoch := topic.Partitions[0].LeaderEpoch
	if epoch < 1 {
		t.Fatalf("the second leader has epoch %d", epoch)
	}
	var mu sync.Mutex
	asked := map[kmsg.Key][]int32{}
	b.network.set(func() {
		b.network.change = func(_ string, req kmsg.Request, _ kmsg.Response) {
			mu.Lock()
			defer mu.Unlock()
			switch req := req.(type) {
			case *kmsg.FetchRequest:
				asked[kmsg.Fetch] = append(asked[kmsg.Fetch], req.Topics[0].Partitions[0].CurrentLeaderEpoch)
			case *kmsg.ListOffsetsRequest:
				asked[kmsg.ListOffsets] = append(asked[kmsg.ListOffsets], req.Topics[0].Partitions[0].CurrentLeaderEpoch)
			}
		}
	})
	if err := b.cluster.Read(testContext(t), topic, what, &notes{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets} {
		if len(asked[key]) == 0 || slices.Min(asked[key]) != epoch {
			t.Errorf("%s was for the epochs %v, want %d", kmsg.NameForKey(int16(key)), asked[key], epoch)
		}
	}
}

// lead has all brokers tell an epoch of a partition's leader.
func lead(b *bench, epoch int32) {
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if said, ok := resp.(*kmsg.MetadataResponse); ok {
				for i := range said.Topics {
					for j := range said.Topics[i].Partitions {
						said.Topics[i].Partitions[j].LeaderEpoch = epoch
					}
				}
			}
		}
	})
}

// A leader that is newer than what brokers tell is the leader all the same.
func TestALeaderThatIsNewerThanIsKnownIsRead(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	lead(b, 0)
	topic, what := twoEpochs(t, b)
	got := &notes{}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil || !slices.Equal(got.values(0), numbers(0, 15)) {
		t.Errorf("%v, %v", got.values(0), err)
	}
	if offsets, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted); err != nil || offsets[0].Err != nil || offsets[0].End != 15 {
		t.Errorf("%+v, %v", offsets, err)
	}
}

// One that is older than what brokers tell has been left behind: what it has may not be what was committed since.
func TestALeaderThatWasLeftBehindIsNotRead(t *testing.T) {
	b := newBench(t, Options{readPatience: time.Millisecond}, kfake.SeedTopics(1, "orders"))
	_, what := twoEpochs(t, b)
	lead(b, 7)
	topic := mustTopic(t, b, "orders")
	got := &notes{}
	if err := b.cluster.Read(testContext(t), topic, what, got); kafkaerr.CodeOf(err) != kafkaerr.UnknownLeaderEpoch || got.count() > 0 {
		t.Errorf("%d records, %v", got.count(), err)
	}
	offsets, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted)
	if err != nil || kafkaerr.CodeOf(offsets[0].Err) != kafkaerr.UnknownLeaderEpoch {
		t.Errorf("%+v, %v", offsets, err)
	}
}
