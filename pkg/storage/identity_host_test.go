package storage

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// Both kinds of record keep the first identity, whoever comes second.
func TestHostRecordsKeepTheFirstIdentity(t *testing.T) {
	for name, record := range map[string]HostRecord{
		"ConfigMap": ConfigMapRecord{ConfigMaps: fake.NewClientset().CoreV1().ConfigMaps("kafka-system")},
		"file":      FileRecord(filepath.Join(t.TempDir(), "not", "there", "yet", "identity")),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			if got, err := record.Load(ctx); got != "" || err != nil {
				t.Fatalf("before the first record: %q, %v", got, err)
			}
			if got, err := record.Record(ctx, "first"); got != "first" || err != nil {
				t.Fatalf("first record: %q, %v", got, err)
			}
			if got, err := record.Record(ctx, "second"); got != "first" || err != nil {
				t.Errorf("second record: %q, %v; want the first", got, err)
			}
			if got, err := record.Load(ctx); got != "first" || err != nil {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

func TestHostRecordsSettleARace(t *testing.T) {
	for name, record := range map[string]HostRecord{
		"ConfigMap": ConfigMapRecord{ConfigMaps: fake.NewClientset().CoreV1().ConfigMaps("kafka-system")},
		"file":      FileRecord(filepath.Join(t.TempDir(), "identity")),
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			answers := map[string]int{}
			var wg sync.WaitGroup
			for _, identity := range strings.Split("abcdefgh", "") {
				wg.Go(func() {
					got, err := record.Record(testContext(t), identity)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					answers[got]++
				})
			}
			wg.Wait()
			if len(answers) != 1 {
				t.Errorf("servers that started together got %v, want one identity", answers)
			}
		})
	}
}

// A ConfigMap that lost its content must not look like a first start: that would bless whatever etcd is there.
func TestAnEmptyConfigMapIsAnError(t *testing.T) {
	empty := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kafka-system", Name: IdentityConfigMap}}
	record := ConfigMapRecord{ConfigMaps: fake.NewClientset(empty).CoreV1().ConfigMaps("kafka-system")}
	for what, try := range map[string]func() (string, error){
		"load":   func() (string, error) { return record.Load(testContext(t)) },
		"record": func() (string, error) { return record.Record(testContext(t), "new") },
	} {
		if got, err := try(); err == nil || !strings.Contains(err.Error(), IdentityConfigMap) {
			t.Errorf("%s: %q, %v; want an error that names the ConfigMap", what, got, err)
		}
	}
}

func TestAnEmptyFileIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FileRecord(file).Load(testContext(t)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%q, %v; want an error that names the file", got, err)
	}
}

func TestTheFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "identity")
	if _, err := FileRecord(file).Record(testContext(t), "x"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}
