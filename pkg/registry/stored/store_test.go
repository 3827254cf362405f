package stored_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericstorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/install"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// etcd is shared by all tests; each has a prefix of its own.
var etcd *storage.Embedded

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "stored-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if etcd, err = storage.StartEmbedded(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer etcd.Close()
		return m.Run()
	}())
}

// strategy accepts everything, and generates the names that it is told.
type strategy struct {
	runtime.ObjectTyper
	names *[]string
}

func (s strategy) GenerateName(string) string {
	name := (*s.names)[0]
	*s.names = (*s.names)[1:]
	return name
}
func (strategy) NamespaceScoped() bool                                            { return true }
func (strategy) PrepareForCreate(context.Context, runtime.Object)                 {}
func (strategy) PrepareForUpdate(context.Context, runtime.Object, runtime.Object) {}
func (strategy) Validate(context.Context, runtime.Object) field.ErrorList         { return nil }
func (strategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}
func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
func (strategy) Canonicalize(runtime.Object)                   {}
func (strategy) AllowCreateOnUpdate(context.Context) bool      { return false }
func (strategy) AllowUnconditionalUpdate(context.Context) bool { return true }
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return stored.ResetFields("spec")
}

// guard is of a storage that was ours at the last look, and is what it says now.
type guard struct{ now error }

func (*guard) Err() error                     { return nil }
func (g *guard) Verify(context.Context) error { return g.now }

// bench is a store with what its checks and its admission saw.
type bench struct {
	*stored.Store
	strategy strategy
	guard    *guard
	names    []string
	changes  []string
	refuse   error
	admitted int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	config := storagebackend.NewDefaultConfig("/"+t.Name(), serializer.NewCodecFactory(scheme).LegacyCodec(v1beta1.SchemeGroupVersion))
	config.Transport.ServerList = []string{etcd.Endpoint()}
	b := &bench{guard: &guard{}}
	b.strategy = strategy{scheme, &b.names}
	store := &genericregistry.Store{
		NewFunc:     func() runtime.Object { return &kafka.Kafka{} },
		NewListFunc: func() runtime.Object { return &kafka.KafkaList{} },
		PredicateFunc: func(label labels.Selector, field fields.Selector) genericstorage.SelectionPredicate {
			return genericstorage.SelectionPredicate{Label: label, Field: field, GetAttrs: genericstorage.DefaultNamespaceScopedAttr}
		},
		DefaultQualifiedResource: kafka.Resource("kafkas"), SingularQualifiedResource: kafka.Resource("kafka"),
		CreateStrategy: b.strategy, UpdateStrategy: b.strategy, DeleteStrategy: b.strategy,
		TableConvertor: rest.NewDefaultTableConvertor(kafka.Resource("kafkas")),
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: generic.RESTOptions{
		StorageConfig: config.ForResource(kafka.Resource("kafkas")), Decorator: generic.UndecoratedStorage,
		EnableGarbageCollection: true, DeleteCollectionWorkers: 1, ResourcePrefix: "kafkas",
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.DestroyFunc)
	b.Store = &stored.Store{Store: store, Guard: b.guard, Checks: []stored.Check{b.see}}
	return b
}

// see writes down a change as its kind and the labels of what it changes.
func (b *bench) see(_ context.Context, change stored.Change) error {
	text, obj := "update", change.New
	switch {
	case change.Old == nil:
		text = "create"
	case change.New == nil:
		text, obj = "delete", change.Old
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	text += " " + accessor.GetName() + " " + labels.FormatLabels(accessor.GetLabels())
	if change.DryRun {
		text += " dry"
	}
	b.changes = append(b.changes, text)
	return b.refuse
}

func (b *bench) admit(context.Context, runtime.Object) error { b.admitted++; return nil }

func (b *bench) admitUpdate(context.Context, runtime.Object, runtime.Object) error {
	b.admitted++
	return nil
}

var inNamespace = genericapirequest.WithNamespace(context.Background(), "ns")

func object(name string, finalizers ...string) *kafka.Kafka {
	return &kafka.Kafka{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", Finalizers: finalizers}}
}

func (b *bench) post(obj *kafka.Kafka, dry ...string) error {
	_, err := b.Create(inNamespace, obj, b.admit, &metav1.CreateOptions{DryRun: dry})
	return err
}

// put changes an object. An object that is not there is created when the request is a server-side apply.
func (b *bench) put(name string, apply bool, change func(*kafka.Kafka), dry ...string) error {
	info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		next := old.DeepCopyObject().(*kafka.Kafka)
		next.Name, next.Namespace = name, "ns"
		change(next)
		return next, nil
	})
	_, _, err := b.Update(inNamespace, name, info, b.admit, b.admitUpdate, apply, &metav1.UpdateOptions{DryRun: dry})
	return err
}

func (b *bench) remove(name string, dry ...string) error {
	_, _, err := b.Delete(inNamespace, name, b.admit, &metav1.DeleteOptions{DryRun: dry})
	return err
}

func (b *bench) removeAll(dry ...string) error {
	_, err := b.DeleteCollection(inNamespace, b.admit, &metav1.DeleteOptions{DryRun: dry}, nil)
	return err
}

func label(k *kafka.Kafka)   { k.Labels = map[string]string{"step": "2"} }
func release(k *kafka.Kafka) { k.Finalizers, k.Labels = nil, map[string]string{"step": "last"} }

// Every way in which an object comes, changes and goes is checked, and what is refused is neither stored nor admitted.
func TestChecksAreWhereAllWaysMeet(t *testing.T) {
	dry := metav1.DryRunAll
	for _, tc := range []struct {
		way string
		// there is an object before, which is Terminating when it has a finalizer.
		there *kafka.Kafka
		do    func(*bench) error
		want  []string
	}{
		{"create", nil, func(b *bench) error { return b.post(object("a")) }, []string{"create a <none>"}},
		{"create in a dry run", nil, func(b *bench) error { return b.post(object("a"), dry) }, []string{"create a <none> dry"}},
		{"update", object("a"), func(b *bench) error { return b.put("a", false, label) }, []string{"update a step=2"}},
		{"update in a dry run", object("a"), func(b *bench) error { return b.put("a", false, label, dry) }, []string{"update a step=2 dry"}},
		{"apply of what is there", object("a"), func(b *bench) error { return b.put("a", true, label) }, []string{"update a step=2"}},
		{"apply of what is not there", nil, func(b *bench) error { return b.put("a", true, label) }, []string{"create a step=2"}},
		{"apply of what is not there in a dry run", nil, func(b *bench) error { return b.put("a", true, label, dry) }, []string{"create a step=2 dry"}},
		{"status", object("a"), func(b *bench) error {
			_, _, err := stored.NewStatusREST(b.Store, b.strategy).Update(inNamespace, "a",
				rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
					next := old.DeepCopyObject().(*kafka.Kafka)
					next.Status.ClusterID = "id"
					return next, nil
				}), b.admit, b.admitUpdate, true, &metav1.UpdateOptions{})
			return err
		}, []string{"update a <none>"}},
		{"delete", object("a"), func(b *bench) error { return b.remove("a") }, []string{"delete a <none>"}},
		{"delete in a dry run", object("a"), func(b *bench) error { return b.remove("a", dry) }, []string{"delete a <none> dry"}},
		{"deletecollection", object("a"), func(b *bench) error { return b.removeAll() }, []string{"delete a <none>"}},
		{"deletecollection in a dry run", object("a"), func(b *bench) error { return b.removeAll(dry) }, []string{"delete a <none> dry"}},
		{"a change of what is Terminating", object("a", "example.com/f"), func(b *bench) error { return b.put("a", false, label) }, []string{"update a step=2"}},
		{"the last finalizer", object("a", "example.com/f"), func(b *bench) error { return b.put("a", false, release) },
			[]string{"update a step=last", "delete a step=last"}},
		{"the last finalizer in a dry run", object("a", "example.com/f"), func(b *bench) error { return b.put("a", false, release, dry) },
			[]string{"update a step=last dry", "delete a step=last dry"}},
	} {
		t.Run(tc.way, func(t *testing.T) {
			b := newBench(t)
			if tc.there != nil {
				if err := b.post(tc.there); err != nil {
					t.Fatal(err)
				}
				if len(tc.there.Finalizers) > 0 {
					if err := b.remove("a"); err != nil {
						t.Fatal(err)
					}
				}
			}
			before, _ := b.Get(inNamespace, "a", &metav1.GetOptions{})
			b.changes, b.admitted, b.refuse = nil, 0, apierrors.NewForbidden(kafka.Resource("kafkas"), "a", errors.New("not this one"))
			if err := tc.do(b); !apierrors.IsForbidden(err) {
				t.Errorf("refused: %v", err)
			}
			after, _ := b.Get(inNamespace, "a", &metav1.GetOptions{})
			if version(t, before) != version(t, after) {
				t.Errorf("what is refused was stored: %v", after)
			}
			if b.admitted > 0 {
				t.Error("admission, which charges quotas, was asked about what is refused")
			}
			b.changes, b.refuse = nil, nil
			if err := tc.do(b); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(b.changes, tc.want) || b.admitted != 1 {
				t.Errorf("checked %q, want %q; admitted %d times", b.changes, tc.want, b.admitted)
			}
		})
	}
}

func version(t *testing.T, obj runtime.Object) string {
	t.Helper()
	if obj == nil {
		return ""
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		t.Fatal(err)
	}
	return accessor.GetResourceVersion()
}

// The generic registry would judge the object again for each name that is taken.
func TestAGeneratedNameThatIsTakenCostsNothing(t *testing.T) {
	b := newBench(t)
	if err := b.post(object("a")); err != nil {
		t.Fatal(err)
	}
	generated := func() *kafka.Kafka {
		k := object("")
		k.GenerateName = "generated-"
		return k
	}
	b.names, b.changes, b.admitted = []string{"a", "a", "b"}, nil, 0
	if err := b.post(generated()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.changes, []string{"create b <none>"}) || b.admitted != 1 {
		t.Errorf("checked %q, admitted %d times", b.changes, b.admitted)
	}
	if _, err := b.Get(inNamespace, "b", &metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	b.names, b.changes, b.admitted = slices.Repeat([]string{"a"}, 8), nil, 0
	err := b.post(generated())
	if !apierrors.IsAlreadyExists(err) || len(b.changes) > 0 || b.admitted > 0 {
		t.Errorf("all names taken: %v, checked %q, admitted %d times", err, b.changes, b.admitted)
	}
}

// What is written into a storage that is not ours is lost when ours returns.
func TestNothingIsCreatedInAForeignStorage(t *testing.T) {
	for way, create := range map[string]func(*bench) error{
		"post":  func(b *bench) error { return b.post(object("a")) },
		"apply": func(b *bench) error { return b.put("a", true, label) },
	} {
		t.Run(way, func(t *testing.T) {
			b := newBench(t)
			b.guard.now = errors.New("somebody else's")
			if err := create(b); !apierrors.IsServiceUnavailable(err) {
				t.Errorf("got %v, want 503", err)
			}
			b.guard.now = nil
			if _, err := b.Get(inNamespace, "a", &metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("it was stored: %v", err)
			}
		})
	}
}
