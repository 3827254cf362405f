package node

import (
	"context"
	"sync"

	"kafka.openshift.io/kafka-apiserver/hack/internal/proc"
)

// A PartStatus is the state of one part.
type PartStatus struct {
	Name string
	PID  int // 0 if it does not run
	// Problem says what is wrong; nil if the part is healthy.
	Problem error
	Log     string
}

// Status looks at every part, in the order in which they start.
func (c Cluster) Status(ctx context.Context) []PartStatus {
	var all []part
	for _, stage := range stages(c.Layout, c.Programs) {
		all = append(all, stage...)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	statuses := make([]PartStatus, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			status := PartStatus{Name: p.spec.Name, Log: p.spec.Log}
			record, alive := proc.Read(c.Layout.pidFile(p.spec.Name))
			if alive {
				status.PID = record.PID
				status.Problem = p.check(ctx)
			} else {
				status.Problem = errNotRunning
			}
			statuses[i] = status
		})
	}
	wg.Wait()
	return statuses
}

type stateError string

func (e stateError) Error() string { return string(e) }

const errNotRunning = stateError("not running")

// AllHealthy reports whether no part has a problem.
func AllHealthy(statuses []PartStatus) bool {
	for _, s := range statuses {
		if s.Problem != nil {
			return false
		}
	}
	return true
}
