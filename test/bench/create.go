package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// handWritten is a Kafka of three combined nodes as somebody would write it without us.
//
//go:embed statefulset.yaml
var handWritten []byte

// createRuns is how often a cluster is created each way.
const createRuns = 3

// createToReady compares a Kafka object with the same pods from a StatefulSet written by hand, from the create to the
// moment when all brokers are ready.
func createToReady(ctx context.Context, b *bed) (result, error) {
	if err := b.ensureNamespace(ctx, namespace); err != nil {
		return result{}, err
	}
	var ours, theirs []time.Duration
	for range createRuns {
		took, err := b.timeStatefulSet(ctx)
		if err != nil {
			return result{}, err
		}
		theirs = append(theirs, took)
		if took, err = b.timeKafka(ctx); err != nil {
			return result{}, err
		}
		ours = append(ours, took)
		b.progress("ready after %.1f s, by hand after %.1f s", took.Seconds(), theirs[len(theirs)-1].Seconds())
	}
	return against(median(ours).Seconds(), median(theirs).Seconds(), "s", "the same pods from a hand-written StatefulSet", 1.3), nil
}

func (b *bed) timeKafka(ctx context.Context) (time.Duration, error) {
	const name = "timed"
	kafkas := b.kafka.KafkaV1beta1().Kafkas(namespace)
	start := time.Now()
	if _, err := kafkas.Create(ctx, newKafka(name), metav1.CreateOptions{}); err != nil {
		return 0, fmt.Errorf("create Kafka %s: %w", name, err)
	}
	if err := b.waitReady(ctx, name); err != nil {
		return 0, err
	}
	took := time.Since(start)
	if err := kafkas.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return 0, fmt.Errorf("delete Kafka %s: %w", name, err)
	}
	return took, b.clear(ctx, "kafka.openshift.io/cluster="+name)
}

func (b *bed) timeStatefulSet(ctx context.Context) (time.Duration, error) {
	objects, err := decode(handWritten)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	for _, object := range objects {
		if err := b.create(ctx, object); err != nil {
			return 0, err
		}
	}
	sets := b.host.AppsV1().StatefulSets(namespace)
	err = wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		set, err := sets.Get(ctx, "byhand", metav1.GetOptions{})
		return err == nil && set.Status.ReadyReplicas == *set.Spec.Replicas, nil
	})
	if err != nil {
		return 0, fmt.Errorf("wait for the hand-written StatefulSet: %w", err)
	}
	took := time.Since(start)
	core := b.host.CoreV1()
	for what, remove := range map[string]func() error{
		"StatefulSet": func() error { return sets.Delete(ctx, "byhand", metav1.DeleteOptions{}) },
		"Service":     func() error { return core.Services(namespace).Delete(ctx, "byhand-kafka", metav1.DeleteOptions{}) },
		"ConfigMap":   func() error { return core.ConfigMaps(namespace).Delete(ctx, "byhand", metav1.DeleteOptions{}) },
	} {
		if err := remove(); err != nil {
			return 0, fmt.Errorf("delete the hand-written %s: %w", what, err)
		}
	}
	if err := b.endPods(ctx, namespace, "app=byhand"); err != nil {
		return 0, err
	}
	return took, b.clear(ctx, "app=byhand")
}

func (b *bed) create(ctx context.Context, object runtime.Object) error {
	var err error
	switch o := object.(type) {
	case *corev1.Service:
		_, err = b.host.CoreV1().Services(namespace).Create(ctx, o, metav1.CreateOptions{})
	case *corev1.ConfigMap:
		_, err = b.host.CoreV1().ConfigMaps(namespace).Create(ctx, o, metav1.CreateOptions{})
	case *appsv1.StatefulSet:
		_, err = b.host.AppsV1().StatefulSets(namespace).Create(ctx, o, metav1.CreateOptions{})
	default:
		err = errors.New("is not expected in statefulset.yaml")
	}
	if err != nil {
		return fmt.Errorf("create the hand-written %T: %w", object, err)
	}
	return nil
}

// clear waits until the pods are gone and deletes their claims, so that each run begins with nothing.
func (b *bed) clear(ctx context.Context, selector string) error {
	options := metav1.ListOptions{LabelSelector: selector}
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		pods, err := b.host.CoreV1().Pods(namespace).List(ctx, options)
		return err == nil && len(pods.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the pods of %s to go: %w", selector, err)
	}
	claims := b.host.CoreV1().PersistentVolumeClaims(namespace)
	if err := claims.DeleteCollection(ctx, metav1.DeleteOptions{}, options); err != nil {
		return fmt.Errorf("delete the claims of %s: %w", selector, err)
	}
	err = wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		left, err := claims.List(ctx, options)
		return err == nil && len(left.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the claims of %s to go: %w", selector, err)
	}
	return nil
}

func decode(content []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read statefulset.yaml: %w", err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("decode statefulset.yaml: %w", err)
		}
		objects = append(objects, object)
	}
}

func newNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// newKafka is the same as statefulset.yaml: three combined nodes of the same size.
func newKafka(name string) *v1beta1.Kafka {
	return &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaSpec{Version: "4.3.1", Brokers: &v1beta1.BrokersSpec{
			Replicas: ptr.To[int32](3),
			Storage:  v1beta1.StorageSpec{Type: v1beta1.PersistentClaim, Size: ptr.To(resource.MustParse("1Gi"))},
			Resources: v1beta1.ResourceRequirements{
				Requests: v1beta1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("1536Mi")},
				Limits:   v1beta1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			},
			JVM: &v1beta1.JVMSpec{Heap: ptr.To(resource.MustParse("1Gi")), Options: []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}},
		}},
	}
}
