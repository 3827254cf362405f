package storage

import "k8s.io/component-base/metrics"

// The gauges record nothing until they are registered.
var (
	etcdSize = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "kafka_apiserver", Subsystem: "etcd", Name: "size_bytes", StabilityLevel: metrics.ALPHA,
		Help: "Size of the embedded etcd's database file.",
	})
	etcdInUse = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "kafka_apiserver", Subsystem: "etcd", Name: "in_use_bytes", StabilityLevel: metrics.ALPHA,
		Help: "What of the embedded etcd's database is in use. A defragmentation gives back the rest.",
	})
	etcdQuota = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "kafka_apiserver", Subsystem: "etcd", Name: "quota_bytes", StabilityLevel: metrics.ALPHA,
		Help: "Size at which the embedded etcd takes deletions only.",
	})
	etcdFull = metrics.NewGauge(&metrics.GaugeOpts{
		Namespace: "kafka_apiserver", Subsystem: "etcd", Name: "full", StabilityLevel: metrics.ALPHA,
		Help: "Whether the embedded etcd refuses writes because it has reached its quota: 1 or 0.",
	})
)

// RegisterMetrics adds the package's metrics to a registry.
func RegisterMetrics(registry interface {
	Register(metrics.Registerable) error
}) error {
	for _, m := range []metrics.Registerable{etcdSize, etcdInUse, etcdQuota, etcdFull} {
		if err := registry.Register(m); err != nil {
			return err
		}
	}
	return nil
}

func (s space) show(full bool) {
	etcdSize.Set(float64(s.size))
	etcdInUse.Set(float64(s.inUse))
	etcdQuota.Set(float64(s.quota))
	etcdFull.Set(0)
	if full {
		etcdFull.Set(1)
	}
}
