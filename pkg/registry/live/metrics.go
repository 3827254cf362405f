package live

import "k8s.io/component-base/metrics"

// turnedAway records nothing until it is registered.
var turnedAway = metrics.NewCounterVec(&metrics.CounterOpts{
	Namespace: "kafka_apiserver", Subsystem: "slow_cluster", Name: "refusals_total", StabilityLevel: metrics.ALPHA,
	Help: "Requests that did not wait for a cluster (namespace/name), or not any longer, because eight others had waited for it for more than two seconds.",
}, []string{"cluster"})

// RegisterMetrics adds the package's metrics to a registry, for example legacyregistry's.
func RegisterMetrics(registry interface {
	Register(metrics.Registerable) error
}) error {
	return registry.Register(turnedAway)
}
