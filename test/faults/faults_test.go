//go:build integration || long

package faults

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// fault strikes again and again while records are written. It leaves the brokers as they were.
type fault struct {
	name   string
	strike func(t *testing.T, b *bed, topic string, round int)
}

// run writes records while a fault strikes, and checks all that was answered.
func (f fault) run(t *testing.T, b *bed) *Ledger {
	topic := f.name
	b.newTopic(t, topic)
	ledger := &Ledger{}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); writing.Wait() })
	defer end()
	for writer := range writers {
		writing.Go(func() { b.write(topic, writer, ledger, stop) })
	}
	begin, rounds := time.Now(), 0
	for rounds == 0 || time.Since(begin) < lasting {
		// What is written before and after each is what it could destroy.
		b.more(t, ledger)
		f.strike(t, b, topic, rounds)
		rounds++
	}
	b.more(t, ledger)
	end()
	took := time.Since(begin).Round(time.Second)
	b.whole(t, topic)
	report := ledger.Check(b.read(t, topic))
	t.Logf("%s, %d times in %v: %v", f.name, rounds, took, report)
	for i, untrue := range report.Faults {
		if i == 20 {
			t.Errorf("and %d more", len(report.Faults)-i)
			break
		}
		t.Error(untrue)
	}
	return ledger
}

// more waits until some more records have been written.
func (b *bed) more(t *testing.T, ledger *Ledger) {
	t.Helper()
	before := ledger.Counts()[Written]
	for deadline := time.Now().Add(patience); ledger.Counts()[Written] < before+writers*recordsEach*3; {
		if time.Now().After(deadline) || !pause(t.Context(), 10*time.Millisecond) {
			t.Fatalf("nothing more is written than %v", ledger.Counts())
		}
	}
}

// moveLeaders makes the next replica of each partition its leader, through the API.
func moveLeaders(t *testing.T, b *bed, topic string, _ int) {
	topics := b.Topics()
	now, err := topics.GetPartitions(t.Context(), topic, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range now.Spec.Partitions {
		replicas := now.Spec.Partitions[i].Replicas
		now.Spec.Partitions[i].Replicas = append(slices.Clone(replicas[1:]), replicas[0])
	}
	if _, err := topics.UpdatePartitions(t.Context(), topic, now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	elected, err := topics.Elect(t.Context(), topic, &v1beta1.KafkaTopicElection{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for _, p := range elected.Status.Partitions {
		if p.LeaderAfter != p.LeaderBefore {
			moved++
		}
	}
	if moved == 0 {
		t.Errorf("no leader has moved: %+v", elected.Status)
	}
	pause(t.Context(), time.Second)
}

// freeze stops the threads of a broker until the others have given it up.
func freeze(t *testing.T, b *bed, topic string, round int) {
	frozen := round % brokers
	if err := b.Kafka.Broker(frozen).Suspend(); err != nil {
		t.Fatal(err)
	}
	b.fenced(t, topic, frozen)
	pause(t.Context(), time.Second)
	if err := b.Kafka.Broker(frozen).Resume(); err != nil {
		t.Fatal(err)
	}
	b.alive(t, topic, frozen)
}

// restart kills a broker and starts it again.
func restart(t *testing.T, b *bed, topic string, round int) {
	if err := b.Kafka.Broker(round % brokers).Kill(); err != nil {
		t.Fatal(err)
	}
	b.start(t, round%brokers)
}

func (b *bed) start(t *testing.T, broker int) {
	t.Helper()
	if err := b.Kafka.Broker(broker).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// alive waits until the others count on a broker again.
func (b *bed) alive(t *testing.T, topic string, broker int) {
	t.Helper()
	b.until(t, "it is back", (broker+1)%brokers, topic, func(live []int32, _ []kmsg.MetadataResponseTopicPartition) bool {
		return slices.Contains(live, int32(broker))
	})
}

// Records are written through the API while leaders move and brokers are frozen and killed: every answer about them is true.
func TestRealAnswersAboutRecordsAreTrue(t *testing.T) {
	b := startBed(t, prepare)
	var ledger *Ledger
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { ledger = f.run(t, b) })
	}
	// What would be found of a record that is there twice, and of one that is gone.
	t.Run("a record that is doubled, and one that is lost", func(t *testing.T) {
		if ledger == nil {
			t.Fatal("no fault has run that wrote anything")
		}
		topic := faults[len(faults)-1].name
		var doubled, lost string
		for value, places := range b.read(t, topic) {
			switch {
			case places[0] == Place{0, 0}:
				lost = value
			case places[0].Partition == 1:
				doubled = value
			}
		}
		if err := b.Client(t).ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: 2, Value: []byte(doubled)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Topics().Truncate(t.Context(), topic, &v1beta1.KafkaTopicTruncation{
			Spec: v1beta1.KafkaTopicTruncationSpec{Partitions: []v1beta1.TruncationTarget{{Partition: 0, BeforeOffset: ptr.To[int64](1)}}}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		found := ledger.Check(b.read(t, topic)).Faults
		if len(found) != 2 || !slices.ContainsFunc(found, func(f string) bool { return f == lost+" was answered as written and is not there" }) ||
			!slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, doubled+" is there 2 times") }) {
			t.Errorf("found %q, want that %s is lost and %s is there twice", found, lost, doubled)
		}
	})
}
