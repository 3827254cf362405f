package apiserver

import (
	"fmt"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// processRegistry is the registry that the generic server shows at /metrics. It is one a process.
type processRegistry struct{}

func (processRegistry) Register(metric metrics.Registerable) error {
	return legacyregistry.Register(metric)
}

// RegisterMetrics adds the broker gateway's metrics to those at /metrics. It is called once a process.
func RegisterMetrics() error {
	if err := broker.RegisterMetrics(processRegistry{}); err != nil {
		return fmt.Errorf("register the metrics of the broker gateway: %w", err)
	}
	return nil
}
