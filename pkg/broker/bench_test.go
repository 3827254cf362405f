package broker

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkCreate is what the API server does for a new topic: the brokers are asked whether they would, and then to. It reports the
// CreateTopics requests of each topic: two for a lone caller, and the fewer the more callers there are.
func BenchmarkCreate(b *testing.B) {
	for _, callers := range []int{1, 32, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			bench := newBench(b, Options{}, kfake.NumBrokers(1))
			bench.warm(b)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			before := bench.network.requests(int16(kmsg.CreateTopics))
			var next atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.ResetTimer()
			create := func() {
				topic := NewTopic{Name: fmt.Sprintf("topic-%d", next.Add(1)), Partitions: 1, Replicas: 1, Config: map[string]string{"retention.ms": "86400000"}}
				for _, validateOnly := range []bool{true, false} {
					if _, err := bench.cluster.CreateTopic(ctx, topic, validateOnly); err != nil {
						b.Error(err)
					}
				}
			}
			if callers == 1 {
				for range b.N {
					create()
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						create()
					}
				})
			}
			b.ReportMetric(float64(bench.network.requests(int16(kmsg.CreateTopics))-before)/float64(b.N), "requests/op")
		})
	}
}
