package broker

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestReleaseByLevel(t *testing.T) {
	for level, want := range map[int16]string{1: "3.0", 3: "3.2", 4: "3.3", 7: "3.3", 8: "3.4", 9: "3.5", 12: "3.6", 19: "3.7", 20: "3.8", 21: "3.9",
		22: "4.0", 25: "4.0", 26: "4.1", 28: "4.2", 30: "4.3", 31: "4.4", 33: "4.4", 34: ""} {
		if got := (offers{metadataVersion: level}).release(); got != want {
			t.Errorf("level %d: %q, want %q", level, got, want)
		}
	}
}

// Each release's list of requests, as franz-go records it, is recognised without the help of a metadata.version level.
func TestReleaseByAPIs(t *testing.T) {
	for _, release := range []string{"2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9"} {
		versions := kversion.FromString(release)
		if versions == nil {
			t.Fatalf("franz-go does not know %s", release)
		}
		o := offers{apis: map[int16]versionRange{}}
		versions.EachMaxKeyVersion(func(key, version int16) { o.apis[key] = versionRange{0, version} })
		if got := o.release(); got != release {
			t.Errorf("%s is taken for %q", release, got)
		}
	}
}

// What is between brokers and us may hide DescribeQuorum.
func TestMode(t *testing.T) {
	offer := func(finalized int16, keys ...kmsg.Key) offers {
		o := offers{apis: map[int16]versionRange{}, finalized: finalized}
		for _, key := range append(keys, kmsg.Metadata) {
			o.apis[int16(key)] = versionRange{}
		}
		return o
	}
	for name, tc := range map[string]struct {
		offers offers
		want   mode
	}{
		"KRaft":                              {offer(25, kmsg.DescribeQuorum), mode{kraft: true}},
		"before metadata.version":            {offer(0, kmsg.DescribeQuorum), mode{kraft: true}},
		"KRaft behind a proxy":               {offer(25), mode{kraft: true}},
		"ZooKeeper":                          {offer(0, kmsg.LeaderAndISR, kmsg.StopReplica, kmsg.UpdateMetadata), mode{zookeeper: true}},
		"ZooKeeper, some of it hidden":       {offer(0, kmsg.UpdateMetadata), mode{zookeeper: true}},
		"a server of another make":           {offer(0), mode{}},
		"KRaft that still offers the others": {offer(25, kmsg.LeaderAndISR), mode{kraft: true}},
	} {
		if got := tc.offers.mode(); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// KRaft brokers name some broker as the controller, another one each time.
func TestAControllerThatIsAnotherOneEachTimeHoldsUpNothing(t *testing.T) {
	for name, like := range map[string]func(*bench){
		"KRaft": likeKRaft,
		"a server of another make": func(b *bench) {
			b.offers.Store(&kmsg.ApiVersionsResponse{ApiKeys: slices.Clone(fakeOffers(b.network.t))})
		},
		"ZooKeeper": func(*bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			like(b)
			var n atomic.Int32
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					switch m := resp.(type) {
					case *kmsg.MetadataResponse:
						m.ControllerID = n.Add(1) % 3
					case *kmsg.DescribeClusterResponse:
						m.ControllerID = n.Add(1) % 3
					}
				}
			})
			for topic, want := range map[string]bool{"orders": true, "nosuch": false} {
				ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
				_, found, err := b.cluster.Topic(ctx, topic)
				cancel()
				if err != nil || found != want {
					t.Errorf("%s: found %v, %v", topic, found, err)
				}
			}
			if asked := b.network.requests(int16(kmsg.Metadata)); asked > 60 {
				t.Errorf("%d questions for topics", asked)
			}
		})
	}
}
