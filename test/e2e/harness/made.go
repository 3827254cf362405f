package harness

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	// removeLimit bounds the removal of all that a test has made, explainLimit what is said before that of one that failed.
	removeLimit  = 5 * time.Minute
	explainLimit = time.Minute
	pollPeriod   = 500 * time.Millisecond

	clusterLabel = "kafka.openshift.io/cluster="
	// ofCluster are the kinds that a Kafka is run with and that go with it; the claims of its volumes stay.
	ofCluster = "statefulsets,services,configmaps,poddisruptionbudgets,pods"
)

// Made is what a test makes.
type Made struct {
	// Namespace is where; "" is default.
	Namespace string
	// Kafkas are names of Kafkas. What is made for them, or placed on them, need not be named.
	Kafkas []string
	// Objects are others, each kind/name.
	Objects []string
}

// Remove has everything that a test makes removed when it ends, whatever its outcome: a test that is run once more must not meet what it left
// at the first time. It is called before anything is made, because a test can fail in the middle of that. What explains a failure is logged
// first. A Kafka of a test that passed has to take along all that it was run with.
func Remove(t testing.TB, made Made) {
	t.Helper()
	if made.Namespace == "" {
		made.Namespace = "default"
	}
	start := time.Now()
	t.Cleanup(func() {
		if t.Failed() {
			// The test's own context has ended.
			ctx, cancel := context.WithTimeout(context.Background(), explainLimit)
			t.Log(made.explain(ctx, start))
			cancel()
		}
		ctx, cancel := context.WithTimeout(context.Background(), removeLimit)
		defer cancel()
		for _, err := range made.remove(ctx, t.Failed()) {
			t.Errorf("clean up: %v", err)
		}
	})
}

// remove goes on after an error: the less is left the better.
func (m Made) remove(ctx context.Context, failed bool) (errs []error) {
	do := func(line string, args ...string) {
		args = append(strings.Fields(line), args...)
		if _, err := kubectl(ctx, append(args, "--namespace", m.Namespace)...); err != nil {
			errs = append(errs, err)
		}
	}
	for _, object := range m.Objects {
		do("delete", object, "--ignore-not-found")
	}
	if failed && len(m.Kafkas) > 0 {
		// It may have ended while the server was being restarted.
		do("wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout=2m")
	}
	for _, name := range m.Kafkas {
		do("delete kafkatopics --field-selector spec.clusterRef.name=" + name)
		do("delete kafka/" + name + " --ignore-not-found")
		if failed {
			// Brokers without a quorum take minutes to end, and what runs without its Kafka is not ended by anybody.
			do("delete " + ofCluster + " -l " + clusterLabel + name + " --wait=false --grace-period=1")
		}
	}
	for _, name := range m.Kafkas {
		if err := m.gone(ctx, name); err != nil {
			errs = append(errs, err)
			continue
		}
		do("delete persistentvolumeclaims -l " + clusterLabel + name)
	}
	return errs
}

// gone waits until nothing that a Kafka was run with is left.
func (m Made) gone(ctx context.Context, name string) error {
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		left, err := kubectl(ctx, "get", ofCluster, "-l", clusterLabel+name, "-o", "name", "--namespace", m.Namespace)
		if err == nil && left == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("of Kafka %s are left: %s (%v)", name, left, err)
		}
	}
}
