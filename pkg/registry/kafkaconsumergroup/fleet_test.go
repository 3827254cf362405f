package kafkaconsumergroup_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Asked in the order of their names, sixteen at a time, the clusters that do not answer would use up the time of the request.
func TestManyKafkasThatAreAwayHideNoOther(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1, kfake.SeedTopics(1, "orders"))
	away := server.NewKafka(t, 1)
	for i := range 120 {
		secondKafka(t, k, fmt.Sprintf("away-%d", i), away.ListenAddrs()...)
	}
	away.Vanish()
	commit(t, k, "billing", "orders", 0)
	for range 2 {
		if got := names(mustList(t, k, metav1.ListOptions{})); !slices.Equal(got, []string{"k.billing"}) {
			t.Errorf("beside 120 Kafkas that do not answer, %q is listed", got)
		}
	}
}
