package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Brokers of 2.8 to 3.0 know topics' ids and delete by them, and do not look up by them.
func TestTopicsAreFoundByIDOnBrokersThatDoNotLookUp(t *testing.T) {
	for release, versions := range map[string]*kversion.Versions{"2.8": kversion.V2_8_0(), "3.0": kversion.V3_0_0(), "3.1": kversion.V3_1_0()} {
		t.Run(release, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(2, "orders", "payments"), kfake.MaxVersions(versions))
			b.offers.Store(nil)
			ctx := testContext(t)
			orders := b.mustTopic(t, "orders")
			if orders.ID.IsZero() {
				t.Fatal("the brokers tell no ids")
			}
			found, ok, err := b.cluster.TopicByID(ctx, orders.ID)
			if err != nil || !ok || found.Name != "orders" || len(found.Partitions) != 2 {
				t.Errorf("%+v, %v, %v", found, ok, err)
			}
			if err := b.cluster.DeleteTopic(ctx, orders.ID); err != nil {
				t.Error(err)
			}
			if _, ok, err := b.cluster.TopicByID(ctx, orders.ID); ok || err != nil {
				t.Errorf("after its deletion it is found: %v, %v", ok, err)
			}
			// What is gone is deleted, as often as it is asked for.
			if err := b.cluster.DeleteTopic(ctx, orders.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

// In ZooKeeper mode a controller that was elected a moment ago may know a topic neither as the controller nor as a broker.
func TestATopicThatANewControllerDoesNotKnowIsNotDeletedYet(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata int16
		lose     bool
		knows    time.Duration // 0 for never
	}{
		"it knows the topic soon":              {12, false, time.Second},
		"brokers do not look up by id":         {11, false, time.Second},
		"it never does":                        {12, false, 0},
		"its answer is lost":                   {12, true, 0},
		"its answer is lost, no look up by id": {11, true, 0},
	} {
		for _, code := range []int16{kafkaerr.UnknownTopicID, kafkaerr.UnknownTopicOrPartition} {
			t.Run(name+" "+kafkaerr.Name(code), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
				b.offerAtMost(kmsg.Metadata, tt.metadata)
				orders := mustTopic(t, b, "orders")
				controller := b.controllerAddr(t)
				var knows atomic.Bool
				b.network.set(func() {
					b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
						if m, ok := resp.(*kmsg.MetadataResponse); ok && addr == controller && !knows.Load() {
							m.Topics = nil
						}
					}
				})
				b.kafka.ControlKey(int16(kmsg.DeleteTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
					b.kafka.KeepControl()
					if knows.Load() {
						return nil, nil, false
					}
					resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
					topic := kmsg.NewDeleteTopicsResponseTopic()
					topic.TopicID, topic.ErrorCode = orders.ID, code
					resp.Topics = append(resp.Topics, topic)
					return resp, nil, true
				})
				if tt.lose {
					b.losing(kmsg.DeleteTopics)
				}
				if tt.knows > 0 {
					time.AfterFunc(tt.knows, func() { knows.Store(true) })
				}
				err := b.cluster.DeleteTopic(testContext(t), orders.ID)
				if there := b.kafka.TopicInfo("orders") != nil; (err != nil) != there || there != (tt.knows == 0) || kafkaerr.IsUnknownOutcome(err) != tt.lose {
					t.Errorf("it is there: %v, and the answer %v", there, err)
				}
			})
		}
	}
}
