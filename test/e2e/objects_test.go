//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// topic is a KafkaTopic as a user would write it.
func topic(name, cluster string, partitions, replicas int) string {
	return fmt.Sprintf(`
apiVersion: kafka.openshift.io/v1beta1
kind: KafkaTopic
metadata: {name: %s}
spec: {clusterRef: {name: %s}, partitions: %d, replicas: %d}
`, name, cluster, partitions, replicas)
}

// sameRecords compares records regardless of their order: a topic with many partitions has none.
func sameRecords(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return
	}
	lost := 0
	for _, record := range want {
		if _, found := slices.BinarySearch(got, record); !found {
			lost++
		}
	}
	t.Errorf("read %d records of %d, %d are lost", len(got), len(want), lost)
}
