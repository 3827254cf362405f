package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// cutOff makes one broker answer from the picture of now, and prefers it. It neither leads the topic nor will: leads is who does next. stale
// is its address.
func cutOff(t *testing.T, b *bench, topic string) (stale string, leads int32) {
	t.Helper()
	had := b.mustTopic(t, topic)
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	leader := had.Partitions[0].Leader
	stale, leads = d.Brokers[(leader+1)%3].Address(), (leader+2)%3
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			m, ok := resp.(*kmsg.MetadataResponse)
			if !ok || addr != stale {
				return
			}
			for i := range m.Topics {
				for j := range m.Topics[i].Partitions {
					m.Topics[i].Partitions[j].Leader, m.Topics[i].Partitions[j].LeaderEpoch = leader, had.Partitions[0].LeaderEpoch
				}
			}
		}
	})
	b.cluster.core.Prefer(stale)
	return stale, leads
}

// A broker that is cut off from its controllers answers clients from the picture that it had.
func TestABrokerWithAnOldPictureIsNotBelieved(t *testing.T) {
	// What takes longer has waited for the verdict on a cluster that does not answer.
	const soon = 4 * time.Second
	for name, do := range map[string]func(ctx context.Context, b *bench, topic Topic) error{
		"produce": func(ctx context.Context, b *bench, topic Topic) error {
			written, err := b.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
			if err == nil {
				err = written[0].Err
			}
			return err
		},
		"offsets": func(ctx context.Context, b *bench, topic Topic) error {
			offsets, err := b.cluster.OffsetsOf(ctx, topic, ReadCommitted)
			if err == nil {
				err = offsets[0].Err
			}
			return err
		},
		"read": func(ctx context.Context, b *bench, topic Topic) error {
			return b.cluster.Read(ctx, topic, Reading{From: map[int32]int64{0: 0}, Until: map[int32]int64{0: 1}}, &notes{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			topic := b.mustTopic(t, "orders")
			if written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("zero")}}, false); err != nil || written[0].Err != nil {
				t.Fatal(written, err)
			}
			stale, leads := cutOff(t, b, "orders")
			if err := b.kafka.MoveTopicPartition("orders", 0, leads); err != nil {
				t.Fatal(err)
			}
			topic.Source = stale
			start := time.Now()
			if err := do(testContext(t), b, topic); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > soon {
				t.Errorf("took %v", took)
			}
			if !b.cluster.core.Doubts.About(b.cluster.core.Opts.Clock.Now(), stale) {
				t.Error("its source is as good as any")
			}
		})
	}
}

func TestAnAnswerThatIsOlderIsAskedForElsewhere(t *testing.T) {
	// The leader of the one partition is -1 when it is not told.
	for name, look := range map[string]func(context.Context, *Cluster, TopicID) (leader int32, err error){
		"a topic": func(ctx context.Context, c *Cluster, _ TopicID) (int32, error) {
			got, _, err := c.Topic(ctx, "orders")
			return metadata.LeaderOf(got, 0), err
		},
		"a topic by its id": func(ctx context.Context, c *Cluster, id TopicID) (int32, error) {
			got, _, err := c.TopicByID(ctx, id)
			return metadata.LeaderOf(got, 0), err
		},
		"all topics": func(ctx context.Context, c *Cluster, _ TopicID) (int32, error) {
			got, err := c.Snapshot(ctx, 0)
			if err != nil {
				return -1, err
			}
			for id, hosts := range got.Hosts {
				if _, told := got.Topics["orders"]; told && hosts.Leaders > 0 {
					return id, nil
				}
			}
			return -1, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			likeKRaft(b)
			id := b.mustTopic(t, "orders").ID
			stale, leads := cutOff(t, b, "orders")
			if err := b.kafka.MoveTopicPartition("orders", 0, leads); err != nil {
				t.Fatal(err)
			}
			// Somebody else tells of the new leader first.
			b.cluster.core.Doubt(stale)
			if got, err := look(testContext(t), b.cluster, id); err != nil || got != leads {
				t.Fatalf("%d, %v, want leader %d", got, err, leads)
			}
			b.cluster.core.Doubts.Clear()
			b.cluster.core.Prefer(stale)
			if got, err := look(testContext(t), b.cluster, id); err != nil || got != leads {
				t.Errorf("%d, %v, want leader %d", got, err, leads)
			}
			// Alone, it is not believed either.
			b.network.set(func() {
				for _, addr := range b.kafka.ListenAddrs() {
					b.network.dead[addr] = addr != stale
				}
			})
			for _, addr := range b.kafka.ListenAddrs() {
				if addr != stale {
					b.network.cutAll(addr)
				}
			}
			if got, err := look(testContext(t), b.cluster, id); err == nil && got >= 0 && got != leads {
				t.Errorf("%+v is the past", got)
			}
		})
	}
}

// To one that was cut off while the others began again these are not there.
func TestABrokerWithAnOldPictureDoesNotTellWhoTheOthersAre(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	stale, leads := cutOff(t, b, "orders")
	if err := b.kafka.MoveTopicPartition("orders", 0, leads); err != nil {
		t.Fatal(err)
	}
	b.cluster.core.Doubt(stale)
	b.mustTopic(t, "orders")
	b.network.set(func() {
		before := b.network.change
		b.network.change = func(addr string, req kmsg.Request, resp kmsg.Response) {
			before(addr, req, resp)
			if m, ok := resp.(*kmsg.MetadataResponse); ok && addr == stale {
				m.Brokers = slices.DeleteFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool {
					return net.JoinHostPort(b.Host, fmt.Sprint(b.Port)) != stale
				})
			}
		}
	})
	for range 2 {
		b.cluster.core.Doubts.Clear()
		b.cluster.core.Prefer(stale)
		if got := b.mustTopic(t, "orders"); metadata.LeaderOf(got, 0) != leads {
			t.Errorf("%+v, want leader %d", got, leads)
		}
		b.cluster.core.Doubts.Clear()
		b.cluster.core.Prefer(stale)
		if got, err := b.cluster.Snapshot(testContext(t), 0); err != nil || len(got.Brokers) != 3 || len(got.Unread()) > 0 {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// One broker's word does not do for "there is no such topic" where brokers read of topics by themselves.
func TestThatATopicIsMissingIsTwoBrokersWord(t *testing.T) {
	for name, look := range map[string]func(context.Context, *Cluster, TopicID) (bool, error){
		"by name": func(ctx context.Context, c *Cluster, _ TopicID) (bool, error) {
			_, found, err := c.Topic(ctx, "orders")
			return found, err
		},
		"by id": func(ctx context.Context, c *Cluster, id TopicID) (bool, error) {
			_, found, err := c.TopicByID(ctx, id)
			return found, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			likeKRaft(b)
			topic := b.mustTopic(t, "orders")
			stale, _ := cutOff(t, b, "orders")
			b.network.set(func() {
				b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
					if m, ok := resp.(*kmsg.MetadataResponse); ok && addr == stale {
						for i := range m.Topics {
							m.Topics[i].ErrorCode, m.Topics[i].Partitions = kafkaerr.UnknownTopicOrPartition, nil
							if m.Topics[i].Topic == nil {
								m.Topics[i].ErrorCode = kafkaerr.UnknownTopicID
							}
						}
					}
				}
			})
			b.cluster.core.Prefer(stale)
			if found, err := look(testContext(t), b.cluster, topic.ID); err != nil || !found {
				t.Errorf("found %v, %v", found, err)
			}
			if err := b.kafka.DeleteTopic("orders"); err != nil {
				t.Fatal(err)
			}
			if found, err := look(testContext(t), b.cluster, topic.ID); err != nil || found {
				t.Errorf("after its deletion: found %v, %v", found, err)
			}
		})
	}
}

func TestOpinionsAreOfTwoBrokers(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	b.warm(t)
	two, err := b.cluster.Opinions(testContext(t))
	if err != nil || len(two) != 2 || two[0].Source == two[1].Source || len(two[0].Topics) != 1 || len(two[1].Topics) != 1 {
		t.Fatalf("%+v, %v", two, err)
	}
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.dead[addr] = addr != two[0].Source
		}
	})
	for _, addr := range b.kafka.ListenAddrs() {
		if addr != two[0].Source {
			b.network.cutAll(addr)
		}
	}
	if alone, err := b.cluster.Opinions(testContext(t)); !kafkaerr.IsUnreachable(err) {
		t.Errorf("%d opinions, %v, although only one broker answers", len(alone), err)
	}
	one := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if alone, err := one.cluster.Opinions(testContext(t)); err != nil || len(alone) != 1 {
		t.Errorf("a cluster of one broker: %d opinions, %v", len(alone), err)
	}
}

// A broker without controllers holds what it should forward until its time is over.
func TestWritesGoAroundABrokerThatDoesNotReachTheController(t *testing.T) {
	b := newBench(t, Options{})
	likeKRaft(b)
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	cut := d.Brokers[(d.Controller+1)%3].Address()
	var refused atomic.Int64
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			if m, ok := resp.(*kmsg.CreateTopicsResponse); ok && addr == cut {
				refused.Add(1)
				for i := range m.Topics {
					m.Topics[i].ErrorCode = kafkaerr.RequestTimedOut
				}
			}
		}
	})
	b.cluster.core.Prefer(cut)
	// The first is of unknown outcome, or looked up; those after it go elsewhere.
	_, _ = b.cluster.CreateTopic(testContext(t), NewTopic{Name: "first", Partitions: 1, Replicas: 1}, false)
	for _, name := range []string{"second", "third"} {
		if _, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: name, Partitions: 1, Replicas: 1}, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("it was asked to create topics %d times", n)
	}
}

// What such a broker does within our time is nothing at all.
func TestWritesGoAroundABrokerThatDoesNotAnswerThem(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("new-%d", i) }
	for key, write := range map[kmsg.Key]func(ctx context.Context, c *Cluster, i int) error{
		kmsg.CreateTopics: func(ctx context.Context, c *Cluster, i int) error {
			_, err := c.CreateTopic(ctx, NewTopic{Name: name(i), Partitions: 1, Replicas: 1}, i%2 == 0)
			return err
		},
		kmsg.IncrementalAlterConfigs: func(ctx context.Context, c *Cluster, i int) error {
			return c.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": fmt.Sprint(1000 + i)}, nil, false)
		},
		kmsg.DeleteTopics: func(ctx context.Context, c *Cluster, i int) error {
			topic, _, err := c.Topic(ctx, name(i))
			if err != nil {
				return err
			}
			return c.DeleteTopic(ctx, topic.ID)
		},
	} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			if key == kmsg.DeleteTopics {
				b = newBench(t, Options{}, kfake.SeedTopics(1, name(0), name(1), name(2)))
			}
			likeKRaft(b)
			d, err := b.cluster.core.Directory(testContext(t), true)
			if err != nil {
				t.Fatal(err)
			}
			silent := d.Brokers[(d.Controller+1)%3].Address()
			var held atomic.Int64
			b.network.set(func() {
				b.network.rule = func(addr string, of int16) verdict {
					if addr == silent && of == int16(key) {
						held.Add(1)
						return holdAnswer
					}
					return pass
				}
			})
			b.cluster.core.Prefer(silent)
			for i := range 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				err := write(ctx, b.cluster, i)
				cancel()
				if i > 0 && err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			}
			if n := held.Load(); n != 1 {
				t.Errorf("%d writes were sent to the broker that is silent", n)
			}
		})
	}
}

// Settings have no epoch: that what we have written is not in an answer shows whose picture is old.
func TestSettingsAreOfABrokerThatKnowsWhatWeWrote(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	stale, old := d.Brokers[(d.Controller+1)%3].Address(), "1000"
	retention := func() string {
		t.Helper()
		entries, err := b.cluster.TopicConfig(testContext(t), "orders")
		if err != nil {
			t.Fatal(err)
		}
		return metadata.TopicValues(entries)["retention.ms"]
	}
	write := func(value string) {
		t.Helper()
		if err := b.cluster.AlterTopicConfig(testContext(t), "orders", map[string]string{"retention.ms": value}, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	write(old)
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			f, ok := resp.(*kmsg.DescribeConfigsResponse)
			if !ok || addr != stale {
				return
			}
			for i := range f.Resources[0].Configs {
				if e := &f.Resources[0].Configs[i]; e.Name == "retention.ms" {
					e.Value = &old
				}
			}
		}
	})
	b.cluster.core.Prefer(stale)
	write("2000")
	for range 3 {
		if got := retention(); got != "2000" {
			t.Errorf("retention.ms is %s", got)
		}
	}
}

// Who reverts what others changed asks two brokers.
func TestOpinionsOfSettingsAreOfTwoBrokers(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	likeKRaft(b)
	b.warm(t)
	var mu sync.Mutex
	told := map[string]bool{}
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			if _, ok := resp.(*kmsg.DescribeConfigsResponse); ok {
				mu.Lock()
				told[addr] = true
				mu.Unlock()
			}
		}
	})
	opinions := func() int {
		t.Helper()
		got, err := b.cluster.ConfigOpinions(testContext(t), "orders")
		if err != nil || len(got[0]) == 0 || len(got[len(got)-1]) == 0 {
			t.Fatal(got, err)
		}
		return len(got)
	}
	if n := opinions(); n != 2 || len(told) != 2 {
		t.Errorf("%d opinions of %d brokers", n, len(told))
	}
	// That no second answers is no reason to leave everything as it is.
	first := b.kafka.ListenAddrs()[0]
	b.cluster.core.Prefer(first)
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.hung[addr] = addr != first
		}
	})
	if n := opinions(); n != 1 {
		t.Errorf("%d opinions of one broker", n)
	}
	if _, err := b.cluster.ConfigOpinions(testContext(t), "nosuch"); kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition {
		t.Error(err)
	}
}

// The first question of a process knows no other broker yet.
func TestTheFirstAnswerIsNoProofEither(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	likeKRaft(b)
	stale := b.kafka.ListenAddrs()[0]
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			if m, ok := resp.(*kmsg.MetadataResponse); ok && addr == stale {
				for i := range m.Topics {
					m.Topics[i].ErrorCode, m.Topics[i].Partitions = kafkaerr.UnknownTopicOrPartition, nil
				}
			}
		}
	})
	c := b.gateway.Cluster(Target{Key: "streams/other/uid-2", Bootstrap: []string{stale}})
	if _, found, err := c.Topic(testContext(t), "orders"); err != nil || !found {
		t.Errorf("found %v, %v", found, err)
	}
}

// A broker that is cut off goes on telling of a topic that was deleted since.
func TestADeletedTopicDoesNotComeBack(t *testing.T) {
	for name, remove := range map[string]func(*bench, Topic) error{
		"elsewhere": func(b *bench, _ Topic) error { return b.kafka.DeleteTopic("orders") },
		"here":      func(b *bench, topic Topic) error { return b.cluster.DeleteTopic(context.Background(), topic.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			likeKRaft(b)
			topic := b.mustTopic(t, "orders")
			b.warm(t)
			d, err := b.cluster.core.Directory(testContext(t), true)
			if err != nil {
				t.Fatal(err)
			}
			stale, good := d.Brokers[0].Address(), d.Brokers[1].Address()
			b.network.set(func() {
				b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
					m, ok := resp.(*kmsg.MetadataResponse)
					if !ok || addr != stale {
						return
					}
					for i := range m.Topics {
						if m.Topics[i].ErrorCode == 0 {
							continue
						}
						m.Topics[i].ErrorCode, m.Topics[i].TopicID = 0, topic.ID
						p := kmsg.NewMetadataResponseTopicPartition()
						p.Leader, p.Replicas, p.ISR, p.LeaderEpoch = 0, []int32{0}, []int32{0}, topic.Partitions[0].LeaderEpoch
						m.Topics[i].Partitions = []kmsg.MetadataResponseTopicPartition{p}
					}
				}
			})
			if err := remove(b, topic); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				b.cluster.core.Doubts.Clear()
				b.cluster.core.Prefer(good)
				start := time.Now()
				if _, found, err := b.cluster.Topic(testContext(t), "orders"); err != nil || found || time.Since(start) > 4*time.Second {
					t.Errorf("found %v, %v after %v", found, err, time.Since(start))
				}
			}
			if b.cluster.core.Doubts.About(b.cluster.core.Opts.Clock.Now(), good) {
				t.Error("the broker that is right is doubted")
			}
		})
	}
}

// A broker that hangs holds up the word that a topic is missing for a second at most, and nobody who asks for another.
func TestASecondOpinionIsNotWaitedForLong(t *testing.T) {
	for brokers := 2; brokers <= 3; brokers++ {
		b := newBench(t, Options{}, kfake.NumBrokers(brokers), kfake.SeedTopics(1, "orders"))
		likeKRaft(b)
		b.warm(t)
		d, err := b.cluster.core.Directory(testContext(t), true)
		if err != nil {
			t.Fatal(err)
		}
		hung, good := d.Brokers[0].Address(), d.Brokers[1].Address()
		b.network.set(func() { b.network.hung[hung] = true })
		b.cluster.core.Prefer(good)
		var asking sync.WaitGroup
		ended := make(chan string, 8)
		// All of them share one request: who comes while it is late has the next.
		waiting, release := queue(b.cluster.metadata.TopicsByName)()
		for i := range cap(ended) {
			asking.Go(func() {
				name := "orders"
				if i%2 == 0 {
					name = "nosuch"
				}
				_, found, err := b.cluster.Topic(testContext(t), name)
				if err != nil || found != (name == "orders") {
					t.Errorf("%d brokers: %s: found %v, %v", brokers, name, found, err)
				}
				ended <- name
			})
		}
		eventually(t, "all wait for the request", func() bool { return waiting() == cap(ended) })
		release()
		asking.Wait()
		for i := range cap(ended) / 2 {
			if name := <-ended; name != "orders" {
				t.Errorf("%d brokers: the answer that %s does not exist came as number %d, before that about a topic that is there", brokers, name, i)
			}
		}
	}
}

// What brokers tell otherwise about many topics is settled by few requests.
func TestManyTopicsAreSettledTogether(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	likeKRaft(b)
	b.warm(t)
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	stale, good := d.Brokers[0].Address(), d.Brokers[1].Address()
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			m, ok := resp.(*kmsg.MetadataResponse)
			if !ok || addr != stale {
				return
			}
			for i := range m.Topics {
				p := kmsg.NewMetadataResponseTopicPartition()
				p.Replicas, p.ISR = []int32{0}, []int32{0}
				m.Topics[i].ErrorCode, m.Topics[i].TopicID, m.Topics[i].Partitions = 0, TopicID{9, byte(i)}, []kmsg.MetadataResponseTopicPartition{p}
			}
		}
	})
	// The third broker would do for a second word.
	b.cluster.core.Doubt(d.Brokers[2].Address())
	b.cluster.core.Prefer(good)
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("gone-%d", i)
	}
	if found, err := b.cluster.Topics(testContext(t), names...); err != nil || len(found) > 0 {
		t.Errorf("%d are found, %v", len(found), err)
	}
	// They share requests as they come, and each that is sent to a broker that is not the controller is sent once more.
	if n := b.network.requests(int16(kmsg.CreateTopics)); n == 0 || n > len(names)/2 {
		t.Errorf("the controller was asked %d times", n)
	}
}
