package kafkatopic

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest/resttest"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/install"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// trusting is a guard of a storage that is ours.
type trusting struct{}

func (trusting) Err() error                   { return nil }
func (trusting) Verify(context.Context) error { return nil }

func validTopic() *kafka.KafkaTopic {
	return &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "Orders_v1"},
		Spec: kafka.KafkaTopicSpec{ClusterRef: kafka.ClusterReference{Name: "k"}, Partitions: ptr.To[int32](1), DriftPolicy: kafka.DriftRevert, DeletionPolicy: kafka.TopicDelete}}
}

// bench is a storage with nothing in it.
type bench struct {
	*resttest.Tester
	create resttest.CreateFunc
	get    resttest.GetFunc
}

func newBench(t *testing.T, etcd *storage.Embedded, client *clientv3.Client) bench {
	t.Helper()
	prefix := "/" + t.Name()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	config := storagebackend.NewDefaultConfig(prefix, serializer.NewCodecFactory(scheme).LegacyCodec(v1beta1.SchemeGroupVersion))
	config.Transport.ServerList = []string{etcd.Endpoint()}
	served, err := NewStorage(Config{Scheme: scheme, Guard: trusting{}, Claims: storage.NewClaims(client, prefix), Servers: storage.NewServers(client, prefix, true),
		Authorizer: authorizerfactory.NewAlwaysAllowAuthorizer(), Clock: clock.RealClock{},
		RESTOptions: generic.RESTOptions{StorageConfig: config.ForResource(kafka.Resource("kafkatopics")), Decorator: generic.UndecoratedStorage,
			EnableGarbageCollection: true, DeleteCollectionWorkers: 1, ResourcePrefix: "kafkatopics"}})
	if err != nil {
		t.Fatal(err)
	}
	store := served.Topic.Store.Store
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

// TestConformance runs what Kubernetes asks of every stored kind on the store below the brokers.
func TestConformance(t *testing.T) {
	etcd, err := storage.StartEmbedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	client, err := storage.NewClient(storagebackend.TransportConfig{ServerList: []string{etcd.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	t.Run("create", func(t *testing.T) {
		b := newBench(t, etcd, client)
		b.TestCreate(validTopic(), b.create, b.get, &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "a b"}}, &kafka.KafkaTopic{})
	})
	t.Run("update", func(t *testing.T) {
		b := newBench(t, etcd, client)
		b.TestUpdate(validTopic(), b.create, b.get, func(obj runtime.Object) runtime.Object {
			obj.(*kafka.KafkaTopic).Spec.Partitions = ptr.To[int32](5)
			return obj
		}, func(obj runtime.Object) runtime.Object {
			obj.(*kafka.KafkaTopic).Spec.ClusterRef.Name = "other"
			return obj
		})
	})
	t.Run("delete", func(t *testing.T) {
		b := newBench(t, etcd, client)
		b.TestDelete(validTopic(), b.create, b.get, apierrors.IsNotFound)
	})
	t.Run("get", func(t *testing.T) { newBench(t, etcd, client).TestGet(validTopic()) })
}
