package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"
)

// A database that fills its volume cannot be made smaller any more: that takes room for a second one.
func TestTheQuotaIsBelowTheVolume(t *testing.T) {
	const mebibyte = 1 << 20
	for volume, want := range map[int64]int64{
		2048 * mebibyte:        768 * mebibyte,
		256 * mebibyte:         64 * mebibyte,
		8192 * mebibyte:        3840 * mebibyte,
		1024 * 1024 * mebibyte: 4096 * mebibyte,
	} {
		got := quotaFor(volume)
		if got != want {
			t.Errorf("a volume of %d MiB: a quota of %d MiB, want %d", volume/mebibyte, got/mebibyte, want/mebibyte)
		}
		if 2*got > volume {
			t.Errorf("a volume of %d MiB has no room for two databases of %d", volume/mebibyte, got/mebibyte)
		}
	}
	if etcd := shared.etcd; etcd.quota <= 0 || etcd.quota > mostQuota || etcd.etcd.Config().QuotaBackendBytes != etcd.quota {
		t.Errorf("etcd has a quota of %d, derived is %d", etcd.etcd.Config().QuotaBackendBytes, etcd.quota)
	}
}

func TestDefragmentingHasToPay(t *testing.T) {
	const mebibyte = 1 << 20
	for name, tc := range map[string]struct {
		size, inUse, quota int64
		since              time.Duration
		want               bool
	}{
		"nothing to gain":            {700, 690, 768, 24 * time.Hour, false},
		"little":                     {60, 1, 768, 24 * time.Hour, false},
		"most of it":                 {400, 100, 768, time.Hour, true},
		"a moment ago":               {400, 100, 768, time.Minute, false},
		"half of it, with room left": {400, 220, 768, 24 * time.Hour, false},
		"a third, near the quota":    {700, 470, 768, 24 * time.Hour, true},
	} {
		s := space{size: tc.size * mebibyte, inUse: tc.inUse * mebibyte, quota: tc.quota * mebibyte}
		if got := s.worthDefragmenting(tc.since); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// etcd that has reached its quota stays without writes for ever, also when everything in it was deleted.
func TestAFullEtcdComesBack(t *testing.T) {
	registry := metrics.NewKubeRegistry()
	if err := RegisterMetrics(registry); err != nil {
		t.Fatal(err)
	}
	full := func(want int) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
# HELP kafka_apiserver_etcd_full [ALPHA] Whether the embedded etcd refuses writes because it has reached its quota: 1 or 0.
# TYPE kafka_apiserver_etcd_full gauge
kafka_apiserver_etcd_full %d
`, want)), "kafka_apiserver_etcd_full"); err != nil {
			t.Error(err)
		}
	}
	ctx := testContext(t)
	const quota = 8 << 20
	etcd, err := StartEmbeddedWithQuota(ctx, t.TempDir(), quota)
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	client := connect(t, etcd)
	claims := NewClaims(client, "/test")
	value := strings.Repeat("x", 512<<10)
	// etcd's database has holes or not, as its commits fell. It is full of what is needed when another defragmentation does not help.
	for i, defragmented := 0, true; defragmented; i++ {
		if _, err := client.Put(ctx, fmt.Sprintf("/key/%d", i), value); err == nil {
			if i > 100 {
				t.Fatal("there is no quota")
			}
			continue
		} else if !errors.Is(err, rpctypes.ErrNoSpace) {
			t.Fatal(err)
		}
		if defragmented, err = etcd.tend(ctx, client, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	var status *apierrors.StatusError
	if _, err := claims.Take(ctx, newClaim("orders", "1"), ""); !errors.As(err, &status) || status.ErrStatus.Code != 507 || !strings.Contains(err.Error(), "storage of this API is full") {
		t.Errorf("a claim: %v, want a 507", err)
	}
	full(1)
	if _, err := claims.Take(ctx, newClaim("orders", "1"), ""); err == nil {
		t.Error("there is space")
	}

	if _, err := client.Delete(ctx, "/key/", clientv3.WithPrefix()); err != nil {
		t.Fatalf("deletions are not served: %v", err)
	}
	if defragmented, err := etcd.tend(ctx, client, 0); err != nil || !defragmented {
		t.Errorf("when everything was deleted: defragmented %t, %v", defragmented, err)
	}
	full(0)
	if _, err := claims.Take(ctx, newClaim("orders", "1"), ""); err != nil {
		t.Errorf("a claim: %v", err)
	}
	now, _, err := etcd.look(ctx, client)
	if err != nil || now.size > quota/2 || now.quota != quota {
		t.Errorf("its space is %+v, %v", now, err)
	}
}
