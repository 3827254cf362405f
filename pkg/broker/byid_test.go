package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
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
