package broker

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// groupCalls are the calls that go to a coordinator.
var groupCalls = map[string]func(context.Context, *Cluster) error{
	"describe": func(ctx context.Context, c *Cluster) error {
		_, found, err := c.Group(ctx, "billing")
		if err == nil && !found {
			return errors.New("not found")
		}
		return err
	},
	"fetch": func(ctx context.Context, c *Cluster) error {
		offsets, err := c.CommittedOffsets(ctx, "billing")
		if err == nil && len(offsets) != 1 {
			return errors.New("no offsets")
		}
		return err
	},
	"commit": func(ctx context.Context, c *Cluster) error {
		_, err := c.CommitOffsets(ctx, "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 1})
		return err
	},
}

func TestAGroupIsFollowedWhenItMoves(t *testing.T) {
	for name, call := range groupCalls {
		for _, refusal := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable} {
			t.Run(name+"/"+refusal.Message, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
				b.commit(t, "billing", "orders", 0)
				b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe, kmsg.DescribeGroups, kmsg.OffsetFetch, kmsg.OffsetCommit},
					Err: refusal, Count: 2})
				if err := call(testContext(t), b.cluster); err != nil {
					t.Error(err)
				}
				if n := b.network.requests(int16(kmsg.FindCoordinator)); n < 3 {
					t.Errorf("the coordinator was looked up %d times", n)
				}
			})
		}
	}
}

// A broker that is cut off from its controllers goes on naming the coordinator that was, whether that one answers or not, or none.
func TestABrokerThatNamesAFormerCoordinatorIsAskedAfterOthers(t *testing.T) {
	for wrong, away := range map[string]bool{"the former": false, "the former, which is away": true, "none": false} {
		for name, call := range groupCalls {
			t.Run(wrong+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{ConnectTimeout: time.Second}, kfake.SeedTopics(1, "orders"))
				b.commit(t, "billing", "orders", 3)
				d, err := b.cluster.core.Directory(testContext(t), true)
				if err != nil {
					t.Fatal(err)
				}
				is := b.kafka.CoordinatorFor("billing")
				was, stale := (is+1)%3, d.Brokers[(is+2)%3].Address()
				b.network.set(func() {
					b.network.dead[d.Brokers[was].Address()] = away
					b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
						f, ok := resp.(*kmsg.FindCoordinatorResponse)
						if !ok || addr != stale {
							return
						}
						if wrong == "none" {
							f.Coordinators[0].ErrorCode = kafkaerr.CoordinatorNotAvailable
						}
						f.Coordinators[0].NodeID = was
					}
				})
				b.network.cutAll(d.Brokers[was].Address())
				b.cluster.core.Prefer(stale)
				start := time.Now()
				if err := call(testContext(t), b.cluster); err != nil || time.Since(start) > 4*time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				// Nor does it stay the first choice of the next.
				if !b.cluster.core.Doubts.About(b.cluster.core.Opts.Clock.Now(), stale) {
					t.Error("it is as good as any")
				}
			})
		}
	}
}

// Brokers leave groups out of lists that an account may not see, and refuse to tell where they are kept. That is no word about a group.
func TestAGroupThatTheAccountMayNotSeeIsNotCalledAbsent(t *testing.T) {
	for name, call := range groupCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.TopicAuthorizationFailed, Count: -1})
			b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.GroupAuthorizationFailed, Count: -1})
			if err := call(testContext(t), b.cluster); kafkaerr.CodeOf(err) != kafkaerr.GroupAuthorizationFailed {
				t.Errorf("error %v, want that the account lacks a right", err)
			}
		})
	}
}

func TestAGroupIsNotFollowedForEver(t *testing.T) {
	for name, last := range map[string]verdict{"the brokers say the same again": pass, "the brokers say no more": holdAnswer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 0)
			if may, err := b.cluster.groups.MayHaveGroups(testContext(t)); err != nil || !may {
				t.Fatal(may, err)
			}
			b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			var asked atomic.Int64
			b.network.set(func() {
				b.network.rule = func(_ string, key int16) verdict {
					if key == int16(kmsg.FindCoordinator) && asked.Add(1) > 2 {
						return last
					}
					return pass
				}
			})
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			start := time.Now()
			_, _, err := b.cluster.Group(ctx, "billing")
			if kafkaerr.CodeOf(err) != kafkaerr.CoordinatorNotAvailable || kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != kafkaerr.Unavailable {
				t.Errorf("error %v, want what the brokers say", err)
			}
			// A group is followed for fifteen seconds.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestABrokerThatIsAwayIsMissingFromTheList(t *testing.T) {
	b := newBench(t, Options{ConnectTimeout: time.Second}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	groups := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for _, g := range groups {
		b.commit(t, g, "orders", 0)
	}
	eventually(t, "all brokers tell of their groups", func() bool {
		list, err := b.cluster.Groups(ctx)
		return err == nil && len(list.Missing) == 0
	})
	away := b.kafka.CoordinatorFor("a")
	addr := b.cluster.core.Dir.Brokers[away].Address()
	b.network.set(func() { b.network.hung[addr] = true })
	start := time.Now()
	list, err := b.cluster.Groups(ctx)
	if err != nil || len(list.Missing) != 1 || !kafkaerr.IsUnreachable(list.Missing[away]) {
		t.Errorf("missing %v, %v; want broker %d", list.Missing, err, away)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	listed := map[string]bool{}
	for _, g := range list.Groups {
		listed[g.ID] = true
	}
	for _, g := range groups {
		if led := b.kafka.CoordinatorFor(g) == away; led == listed[g] {
			t.Errorf("group %s: coordinated by the broker that is away: %v, listed: %v", g, led, listed[g])
		}
	}
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.hung[addr] = true
		}
	})
	if _, err := b.cluster.Groups(ctx); !kafkaerr.IsUnreachable(err) {
		t.Errorf("all away: %v", err)
	}
}

// A broker that loads its groups lists those that it has, and says so.
func TestABrokerThatLoadsItsGroupsIsAskedAgain(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	b.commit(t, "billing", "orders", 0)
	asked := 0
	b.kafka.ControlKey(int16(kmsg.ListGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		if asked++; asked > 2 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return resp, nil, true
	})
	list, err := b.cluster.Groups(testContext(t))
	if err != nil || len(list.Groups) != 1 || len(list.Missing) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestACommitWhoseAnswerIsLost(t *testing.T) {
	for name, tc := range map[string]struct {
		verdict verdict
		known   bool
	}{"after it was written": {loseAnswer, true}, "before it was written": {cut, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 0)
			b.network.set(func() {
				b.network.rule = func(_ string, key int16) verdict {
					if key == int16(kmsg.OffsetCommit) {
						return tc.verdict
					}
					return pass
				}
			})
			n, err := b.cluster.CommitOffsets(testContext(t), "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 7})
			if sent := b.network.requests(int16(kmsg.OffsetCommit)); sent != 1 {
				t.Errorf("sent %d times, want once", sent)
			}
			if tc.known && (n != 1 || err != nil) {
				t.Errorf("%d written, %v: the brokers have it", n, err)
			}
			if !tc.known && (n != 0 || !kafkaerr.IsUnknownOutcome(err)) {
				t.Errorf("%d written, %v: nobody can know", n, err)
			}
		})
	}
}

func TestACoordinatorThatDiesIsLeft(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	b.commit(t, "billing", "orders", 3)
	if err := groupCalls["describe"](testContext(t), b.cluster); err != nil {
		t.Fatal(err)
	}
	dead := b.kafka.CoordinatorFor("billing")
	if err := b.kafka.RemoveNode(dead); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"describe", "fetch", "commit"} {
		if err := groupCalls[name](testContext(t), b.cluster); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A coordinator that has just taken over does not know its newest groups yet; one that has been there all along does.
func TestANewCoordinatorIsNotBelievedAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		moved bool
		asked int
	}{"new": {true, 3}, "old": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 0)
			if tc.moved {
				b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe}, Err: kerr.NotCoordinator})
			}
			asked := 0
			b.kafka.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				if asked++; asked > 2 {
					return nil, nil, false
				}
				resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
				group := kmsg.NewDescribeGroupsResponseGroup()
				group.Group, group.State, group.ErrorCode = "billing", "Dead", kerr.GroupIDNotFound.Code
				resp.Groups = append(resp.Groups, group)
				return resp, nil, true
			})
			if _, found, err := b.cluster.Group(testContext(t), "billing"); found != tc.moved || err != nil || asked != tc.asked {
				t.Errorf("found %v, %v, after %d questions, want %d", found, err, asked, tc.asked)
			}
		})
	}
}

// It shows older offsets until it knows which of its records are on all replicas.
func TestOffsetsOfANewCoordinatorAreNotBelievedAtOnce(t *testing.T) {
	for name, moved := range map[string]bool{"new": true, "old": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 3)
			if moved {
				b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.NotCoordinator})
			}
			behind := time.Now().Add(time.Second)
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					if f, ok := resp.(*kmsg.OffsetFetchResponse); ok && f.Groups[0].ErrorCode == 0 && moved && time.Now().Before(behind) {
						f.Groups[0].Topics[0].Partitions[0].Offset = 2
					}
				}
			})
			start := time.Now()
			got, err := b.cluster.CommittedOffsets(testContext(t), "billing")
			if took := time.Since(start); err != nil || got[TopicPartition{Topic: "orders"}].Offset != 3 || took > time.Second && !moved {
				t.Errorf("%v, %v after %v", got, err, took)
			}
		})
	}
}
