package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// mostQuota is half of the largest that etcd recommends.
	mostQuota = 4 << 30
	// etcdLogs is what etcd's write-ahead log and snapshots take beside the database: five segments of 64 MiB, and what it prepares.
	etcdLogs = 512 << 20
	// tendEvery is how often the space is looked at.
	tendEvery = time.Minute
	// leastDefragmented bounds for how little etcd is stopped, which for a gigabyte lasts seconds, and defragmentEvery how often.
	leastDefragmented = 64 << 20
	defragmentEvery   = time.Hour
)

// quotaFor is the size that a database may have on a volume. It is less than half of it, because a defragmentation writes a second one.
func quotaFor(volume int64) int64 {
	return min(max((volume-etcdLogs)/2, volume/4), mostQuota)
}

// StatusReasonInsufficientStorage is the reason of a 507.
const StatusReasonInsufficientStorage metav1.StatusReason = "InsufficientStorage"

// Explain makes of a refusal of etcd for want of space one that its readers understand; other errors stay what they are.
func Explain(err error) error {
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInsufficientStorage, Reason: StatusReasonInsufficientStorage,
		Message: "the storage of this API is full: nothing can be written until objects are deleted or its quota is raised; reads and deletions are served",
	}}
}

// space is how much of its quota a database takes.
type space struct{ size, inUse, quota int64 }

// roomy is the size from which on an etcd that was full takes writes again. Much closer to the quota it would be full in no time.
func (s space) roomy() int64 { return s.quota / 10 * 9 }

// worthDefragmenting tells whether to give back what deletions and former revisions have left. etcd answers nobody meanwhile.
func (s space) worthDefragmenting(sinceLast time.Duration) bool {
	free := s.size - s.inUse
	if free < leastDefragmented || sinceLast < defragmentEvery {
		return false
	}
	return free > s.size/2 || s.size > s.quota/4*3 && free > s.size/4
}

// Tend keeps an eye on the space of the embedded etcd until ctx ends: it shows it as metrics, defragments when that pays, and lets writes
// in again when there is space after there was none.
func (e *Embedded) Tend(ctx context.Context, etcd *clientv3.Client, clock clock.WithTicker) {
	ticker := clock.NewTicker(tendEvery)
	defer ticker.Stop()
	last := clock.Now()
	for {
		defragmented, err := e.tend(ctx, etcd, clock.Since(last))
		if defragmented {
			last = clock.Now()
		}
		if err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "The space of etcd is not looked after, will try again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// tend looks once. sinceLast is how long ago etcd was defragmented.
func (e *Embedded) tend(ctx context.Context, etcd *clientv3.Client, sinceLast time.Duration) (defragmented bool, err error) {
	now, full, err := e.look(ctx, etcd)
	switch {
	case err != nil:
		return false, err
	case full:
		return e.makeRoom(ctx, etcd, now)
	case now.worthDefragmenting(sinceLast):
		return true, e.defragment(ctx, etcd, now)
	}
	return false, nil
}

// look asks etcd for its space, and whether it refuses writes for want of it.
func (e *Embedded) look(ctx context.Context, etcd *clientv3.Client) (now space, full bool, err error) {
	status, err := etcd.Status(ctx, e.Endpoint())
	if err != nil {
		return now, false, fmt.Errorf("ask etcd for its size: %w", err)
	}
	alarms, err := etcd.AlarmList(ctx)
	if err != nil {
		return now, false, fmt.Errorf("ask etcd for its alarms: %w", err)
	}
	for _, alarm := range alarms.Alarms {
		full = full || alarm.Alarm == etcdserverpb.AlarmType_NOSPACE
	}
	now = space{size: status.DbSize, inUse: status.DbSizeInUse, quota: e.quota}
	now.show(full)
	return now, full, nil
}

// makeRoom brings a full etcd back, if there is anything to give up: former revisions, and what deletions have left.
func (e *Embedded) makeRoom(ctx context.Context, etcd *clientv3.Client, before space) (defragmented bool, err error) {
	logger := klog.FromContext(ctx)
	// The API server's own compaction writes a key first, which a full etcd refuses.
	head, err := etcd.Get(ctx, "\x00", clientv3.WithCountOnly())
	if err != nil {
		return false, fmt.Errorf("ask etcd for its revision: %w", err)
	}
	if _, err := etcd.Compact(ctx, head.Header.Revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return false, fmt.Errorf("compact etcd: %w", err)
	}
	now, _, err := e.look(ctx, etcd)
	if err != nil {
		return false, err
	}
	if now.inUse > now.roomy() {
		logger.Error(nil, "etcd is full and takes deletions only", "inUse", now.inUse, "quota", now.quota)
		return false, nil
	}
	if now.size > now.roomy() {
		if err := e.defragment(ctx, etcd, before); err != nil {
			return true, err
		}
		defragmented = true
	}
	// Of all members and alarms.
	if _, err := etcd.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return defragmented, fmt.Errorf("disarm the alarm of etcd: %w", err)
	}
	logger.Info("etcd takes writes again")
	_, _, err = e.look(ctx, etcd)
	return defragmented, err
}

func (e *Embedded) defragment(ctx context.Context, etcd *clientv3.Client, before space) error {
	if _, err := etcd.Defragment(ctx, e.Endpoint()); err != nil {
		return fmt.Errorf("defragment etcd: %w", err)
	}
	after, _, err := e.look(ctx, etcd)
	if err == nil {
		klog.FromContext(ctx).Info("etcd defragmented", "before", before.size, "after", after.size, "quota", after.quota)
	}
	return err
}
