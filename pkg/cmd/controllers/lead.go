package controllers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
)

// Kubernetes' own controllers use the same times.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

var errLost = errors.New("lost the lease")

// lead runs work while holding the lease. The lease is given back only when work has ended, so that two never work at once; a
// successor then starts within retryPeriod.
func lead(ctx context.Context, host kubernetes.Interface, namespace string, watchdog *leaderelection.HealthzAdaptor, work func(context.Context) error) error {
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name this process for the lease: %w", err)
	}
	// The election outlives ctx until work has ended.
	election, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var leading atomic.Bool
	defer context.AfterFunc(ctx, func() {
		if !leading.Load() {
			stop()
		}
	})()
	var working sync.WaitGroup
	working.Add(1)
	done := sync.OnceFunc(working.Done)
	var result error
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: component,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: component},
			Client:     host.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: hostname + "_" + string(uuid.NewUUID())},
		},
		LeaseDuration:   leaseDuration,
		RenewDeadline:   renewDeadline,
		RetryPeriod:     retryPeriod,
		ReleaseOnCancel: true,
		WatchDog:        watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(lease context.Context) {
				defer done()
				defer stop()
				leading.Store(true)
				run, cancel := context.WithCancel(lease)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				klog.FromContext(ctx).Info("Holding the lease", "namespace", namespace, "lease", component)
				result = work(run)
			},
			OnStoppedLeading: func() {
				if !leading.Load() {
					done()
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("build the leader election: %w", err)
	}
	elector.Run(election)
	working.Wait()
	if result == nil && ctx.Err() == nil {
		return errLost
	}
	return result
}

// registry is the process's metrics registry, which /metrics serves.
type registry struct{}

// Register adds metrics.
func (registry) Register(r metrics.Registerable) error { return legacyregistry.Register(r) }
