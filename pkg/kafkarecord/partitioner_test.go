package kafkarecord

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKeysGoWhereKafkasOwnProducerPutsThem(t *testing.T) {
	kafka := kgo.StickyKeyPartitioner(nil).ForTopic("orders")
	for range 2000 {
		key := make([]byte, rand.IntN(40)+1)
		for i := range key {
			key[i] = byte(rand.Uint32())
		}
		n := rand.IntN(50) + 1
		if got, want := PartitionOf(key, n), kafka.Partition(&kgo.Record{Key: key}, n); int(got) != want {
			t.Fatalf("key %x of %d partitions goes to %d, not to %d", key, n, got, want)
		}
	}
	// From Kafka's UtilsTest.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971} {
		if got := int32(murmur2([]byte(key))); got != hash {
			t.Errorf("murmur2(%q) is %d, want %d", key, got, hash)
		}
	}
}
