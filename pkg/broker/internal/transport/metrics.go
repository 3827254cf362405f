package transport

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/component-base/metrics"
)

// rpcBuckets go from a local Metadata request (half a millisecond) to a request that ran into the socket's limit.
var rpcBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 75}

// The vectors record nothing until they are registered.
var (
	rpcTotal = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "kafka_apiserver", Subsystem: "broker", Name: "rpcs_total", StabilityLevel: metrics.ALPHA,
		Help: "Requests sent to Kafka brokers, by cluster (namespace/name), request type and outcome (ok, refused, broken, timeout, unreachable).",
	}, []string{"cluster", "api", "outcome"})
	rpcSeconds = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Namespace: "kafka_apiserver", Subsystem: "broker", Name: "rpc_duration_seconds", StabilityLevel: metrics.ALPHA,
		Help:    "Time from sending a request to a Kafka broker to its answer or failure, by request type and outcome.",
		Buckets: rpcBuckets,
	}, []string{"api", "outcome"})
	batchSize = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Namespace: "kafka_apiserver", Subsystem: "broker", Name: "batch_size", StabilityLevel: metrics.ALPHA,
		Help:    "Calls that shared one request to Kafka brokers, by request type.",
		Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000},
	}, []string{"api"})
)

// outcomes are the values of the label of that name.
var outcomes = []string{"ok", "refused", "broken", "timeout", "unreachable"}

// Metrics are what this package measures.
var Metrics = []metrics.Registerable{rpcTotal, rpcSeconds, batchSize}

func (c *Cluster) Observe(key int16, outcome string, start time.Time) {
	api := kmsg.NameForKey(key)
	rpcTotal.WithLabelValues(c.Label, api, outcome).Inc()
	rpcSeconds.WithLabelValues(api, outcome).Observe(time.Since(start).Seconds())
}

// ForgetMetrics drops the series of a cluster that is gone.
func ForgetMetrics(label string) {
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		for _, outcome := range outcomes {
			rpcTotal.Delete(map[string]string{"cluster": label, "api": kmsg.NameForKey(key), "outcome": outcome})
		}
	}
}
