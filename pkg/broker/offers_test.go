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

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
)

func TestReleaseByLevel(t *testing.T) {
	for level, want := range map[int16]string{1: "3.0", 3: "3.2", 4: "3.3", 7: "3.3", 8: "3.4", 9: "3.5", 12: "3.6", 19: "3.7", 20: "3.8", 21: "3.9",
		22: "4.0", 25: "4.0", 26: "4.1", 28: "4.2", 30: "4.3", 31: "4.4", 33: "4.4", 34: ""} {
		if got := (wire.Offers{MetadataVersion: level}).Release(); got != want {
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
		o := wire.Offers{APIs: map[int16]wire.VersionRange{}}
		versions.EachMaxKeyVersion(func(key, version int16) { o.APIs[key] = wire.VersionRange{Min: 0, Max: version} })
		if got := o.Release(); got != release {
			t.Errorf("%s is taken for %q", release, got)
		}
	}
}

// What is between brokers and us may hide DescribeQuorum.
func TestMode(t *testing.T) {
	offer := func(finalized int16, keys ...kmsg.Key) wire.Offers {
		o := wire.Offers{APIs: map[int16]wire.VersionRange{}, Finalized: finalized}
		for _, key := range append(keys, kmsg.Metadata) {
			o.APIs[int16(key)] = wire.VersionRange{}
		}
		return o
	}
	for name, tc := range map[string]struct {
		offers wire.Offers
		want   wire.Mode
	}{
		"KRaft":                              {offer(25, kmsg.DescribeQuorum), wire.Mode{Kraft: true}},
		"before metadata.version":            {offer(0, kmsg.DescribeQuorum), wire.Mode{Kraft: true}},
		"KRaft behind a proxy":               {offer(25), wire.Mode{Kraft: true}},
		"ZooKeeper":                          {offer(0, kmsg.LeaderAndISR, kmsg.StopReplica, kmsg.UpdateMetadata), wire.Mode{Zookeeper: true}},
		"ZooKeeper, some of it hidden":       {offer(0, kmsg.UpdateMetadata), wire.Mode{Zookeeper: true}},
		"a server of another make":           {offer(0), wire.Mode{}},
		"KRaft that still offers the others": {offer(25, kmsg.LeaderAndISR), wire.Mode{Kraft: true}},
	} {
		if got := tc.offers.Mode(); got != tc.want {
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
