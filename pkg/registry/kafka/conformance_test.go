package kafka

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest/resttest"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	api "kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/install"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// trusting is a guard of a storage that is ours.
type trusting struct{}

func (trusting) Err() error                   { return nil }
func (trusting) Verify(context.Context) error { return nil }

func validKafka() *api.Kafka {
	return &api.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: api.KafkaSpec{Version: "4.3.1", Brokers: &api.BrokersSpec{Replicas: ptr.To[int32](3),
			Storage: api.StorageSpec{Type: api.PersistentClaim, Size: ptr.To(resource.MustParse("1Gi"))}}}}
}

// bench is a storage with nothing in it.
type bench struct {
	*resttest.Tester
	create resttest.CreateFunc
	get    resttest.GetFunc
}

func newBench(t *testing.T, etcd *storage.Embedded) bench {
	t.Helper()
	prefix := "/" + t.Name()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	config := storagebackend.NewDefaultConfig(prefix, serializer.NewCodecFactory(scheme).LegacyCodec(v1beta1.SchemeGroupVersion))
	config.Transport.ServerList = []string{etcd.Endpoint()}
	options := generic.RESTOptions{StorageConfig: config.ForResource(api.Resource("kafkas")), Decorator: generic.UndecoratedStorage,
		EnableGarbageCollection: true, DeleteCollectionWorkers: 1, ResourcePrefix: "kafkas"}
	served, err := NewStorage(Config{Scheme: scheme, RESTOptions: options, Guard: trusting{}, Gateway: broker.New(broker.Options{}),
		Targets: target.New(nil, clock.RealClock{})})
	if err != nil {
		t.Fatal(err)
	}
	store := served.Kafka
	t.Cleanup(store.DestroyFunc)
	b := bench{Tester: resttest.New(t, store).ReturnDeletedObject()}
	// What a test needs is put into etcd, and looked up there.
	b.create = func(ctx context.Context, obj runtime.Object) error {
		accessor := obj.(metav1.Object)
		if accessor.GetUID() == "" {
			accessor.SetUID("uid-of-" + types.UID(accessor.GetName()))
		}
		key, err := store.KeyFunc(ctx, accessor.GetName())
		if err != nil {
			return err
		}
		return store.Storage.Create(ctx, key, obj, nil, 0, false)
	}
	b.get = func(ctx context.Context, obj runtime.Object) (runtime.Object, error) {
		return store.Get(ctx, obj.(metav1.Object).GetName(), &metav1.GetOptions{})
	}
	return b
}

// TestConformance runs what Kubernetes asks of every stored kind.
func TestConformance(t *testing.T) {
	etcd, err := storage.StartEmbedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	t.Run("create", func(t *testing.T) {
		b := newBench(t, etcd)
		b.TestCreate(validKafka(), b.create, b.get, &api.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "_-a123-a_"}}, &api.Kafka{})
	})
	t.Run("update", func(t *testing.T) {
		b := newBench(t, etcd)
		b.TestUpdate(validKafka(), b.create, b.get, func(obj runtime.Object) runtime.Object {
			obj.(*api.Kafka).Spec.Brokers.Replicas = ptr.To[int32](5)
			return obj
		}, func(obj runtime.Object) runtime.Object {
			obj.(*api.Kafka).Spec.Version = "0.8"
			return obj
		})
	})
	t.Run("delete", func(t *testing.T) {
		b := newBench(t, etcd)
		b.TestDelete(validKafka(), b.create, b.get, apierrors.IsNotFound)
	})
	t.Run("get", func(t *testing.T) { newBench(t, etcd).TestGet(validKafka()) })
}
