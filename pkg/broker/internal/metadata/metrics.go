package metadata

import (
	"time"

	"k8s.io/component-base/metrics"
)

// Prometheus computes the age when it is looked at; a gauge of the age itself would be as old as its last update.
var SnapshotTime = metrics.NewGaugeVec(&metrics.GaugeOpts{
	Namespace: "kafka_apiserver", Subsystem: "broker", Name: "snapshot_timestamp_seconds", StabilityLevel: metrics.ALPHA,
	Help: "When the newest metadata snapshot of a cluster (namespace/name) was asked for, in seconds since 1970. Its age is time() minus this.",
}, []string{"cluster"})

func observeSnapshot(label string, at time.Time) {
	SnapshotTime.WithLabelValues(label).Set(float64(at.UnixMilli()) / 1000)
}

// ForgetSnapshotTime drops the series of a cluster that is gone.
func ForgetSnapshotTime(label string) { SnapshotTime.Delete(map[string]string{"cluster": label}) }
