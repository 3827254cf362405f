package broker

import (
	"slices"

	"k8s.io/component-base/metrics"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
)

// RegisterMetrics adds the package's metrics to a registry, for example legacyregistry's.
func RegisterMetrics(registry interface {
	Register(metrics.Registerable) error
}) error {
	for _, m := range append(slices.Clone(transport.Metrics), metadata.SnapshotTime) {
		if err := registry.Register(m); err != nil {
			return err
		}
	}
	return nil
}

// forgetMetrics drops the series of a cluster that is gone.
func forgetMetrics(label string) {
	transport.ForgetMetrics(label)
	metadata.ForgetSnapshotTime(label)
}
