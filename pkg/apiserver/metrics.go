package apiserver

import (
	"fmt"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// processRegistry is the registry that the generic server shows at /metrics. It is one a process.
type processRegistry struct{}

func (processRegistry) Register(metric metrics.Registerable) error {
	return legacyregistry.Register(metric)
}

// RegisterMetrics adds the metrics of the broker gateway, of the embedded etcd, and of loops, which are returned, to those at /metrics. It is called once a
// process.
func RegisterMetrics() (*loopmetrics.Metrics, error) {
	if err := broker.RegisterMetrics(processRegistry{}); err != nil {
		return nil, fmt.Errorf("register the metrics of the broker gateway: %w", err)
	}
	if err := storage.RegisterMetrics(processRegistry{}); err != nil {
		return nil, fmt.Errorf("register the metrics of the storage: %w", err)
	}
	if err := live.RegisterMetrics(processRegistry{}); err != nil {
		return nil, fmt.Errorf("register the metrics of requests that ask brokers: %w", err)
	}
	loops, err := loopmetrics.New(processRegistry{})
	if err != nil {
		return nil, fmt.Errorf("register the metrics of loops: %w", err)
	}
	return loops, nil
}
