// Package loopmetrics counts what loops do that make something what it should be, of controllers and API server alike.
package loopmetrics

import (
	"time"

	"k8s.io/component-base/metrics"
)

// Metrics count what loops do. Nil records nothing.
type Metrics struct {
	syncs   *metrics.CounterVec
	seconds *metrics.HistogramVec
	waiting *metrics.GaugeVec
}

// New builds the metrics of all loops of a process and adds them to a registry, for example legacyregistry's.
func New(registry interface {
	Register(metrics.Registerable) error
}) (*Metrics, error) {
	m := &Metrics{
		syncs: metrics.NewCounterVec(&metrics.CounterOpts{
			Namespace: "kafka_apiserver", Subsystem: "controller", Name: "syncs_total", StabilityLevel: metrics.ALPHA,
			Help: "Syncs of single objects, by controller and result (ok, error).",
		}, []string{"controller", "result"}),
		seconds: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "kafka_apiserver", Subsystem: "controller", Name: "sync_duration_seconds", StabilityLevel: metrics.ALPHA,
			Help:    "Time that the sync of one object took, by controller.",
			Buckets: []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30},
		}, []string{"controller"}),
		waiting: metrics.NewGaugeVec(&metrics.GaugeOpts{
			Namespace: "kafka_apiserver", Subsystem: "controller", Name: "queue_length", StabilityLevel: metrics.ALPHA,
			Help: "Objects that wait for their sync, by controller.",
		}, []string{"controller"}),
	}
	for _, r := range []metrics.Registerable{m.syncs, m.seconds, m.waiting} {
		if err := registry.Register(r); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Observe counts the sync of one object: its error, if any, and how long it took.
func (m *Metrics) Observe(controller string, err error, took time.Duration) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.syncs.WithLabelValues(controller, result).Inc()
	m.seconds.WithLabelValues(controller).Observe(took.Seconds())
}

// Waiting sets the number of objects that wait for their sync.
func (m *Metrics) Waiting(controller string, objects int) {
	if m != nil {
		m.waiting.WithLabelValues(controller).Set(float64(objects))
	}
}
