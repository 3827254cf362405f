package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	tenThousand = 10000
	// crowd is the namespace of ten thousand topics of the Kafka, and of as many custom resources.
	crowd = "kafka-bench-10k"
	// manyCreates is how many creates there are in each of createRounds, which together make a 99th percentile: that of one round is only
	// its fourth largest. Between rounds their topics are deleted, so that all meet the same brokers.
	manyCreates, createRounds = 300, 4
	// lists is how many make a median.
	lists = 5
)

// note makes topics larger than the custom resources that they are compared with, whose bookkeeping takes more: these are filled up to the same
// size.
var note = strings.Repeat("note ", 60)

// crowdNames are the names of the ten thousand.
func crowdNames() []string { return numbered("topic", tenThousand) }

// fill makes ten thousand topics with one partition and one replica, once: three small brokers have no room for three.
func (b *bed) fill(ctx context.Context) error {
	if b.crowded {
		return nil
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.ensureNamespace(ctx, crowd); err != nil {
		return err
	}
	took, err := timed(func() error {
		return b.populate(ctx, crowd, v1beta1.ClusterReference{Name: cluster, Namespace: namespace}, 1)
	})
	b.crowded = err == nil
	b.progress("there are %d more topics after %.0f s", tenThousand, took.Seconds())
	return err
}

// populate makes ten thousand topics with one replica.
func (b *bed) populate(ctx context.Context, namespace string, ref v1beta1.ClusterReference, partitions int32) error {
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	names := crowdNames()
	for start := 0; start < len(names); start += thousand {
		if err := inParallel(ctx, names[start:start+thousand], func(ctx context.Context, name string) error {
			topic := newTopic(name, partitions)
			topic.Labels = map[string]string{batchLabel: batchOf(names)}
			topic.Annotations = map[string]string{"note": note}
			*topic.Spec.Replicas = 1
			topic.Spec.ClusterRef = ref
			_, err := topics.Create(ctx, topic, metav1.CreateOptions{})
			return err
		}); err != nil {
			return fmt.Errorf("create %d topics: %w", len(names), err)
		}
		b.progress("%d topics", start+thousand)
	}
	return b.awaitReady(ctx, namespace, names)
}

// createAt10k is what one create takes longer than the two RPCs that it needs, both at their 99th percentile, with ten thousand
// topics there.
func createAt10k(ctx context.Context, b *bed) (result, error) {
	if err := b.fill(ctx); err != nil {
		return result{}, err
	}
	var times [2][]time.Duration
	for round := range createRounds {
		if err := letRest(ctx); err != nil {
			return result{}, err
		}
		took, names, err := b.timeCreates(ctx, fmt.Sprintf("crowded-%d", round), manyCreates)
		if err != nil {
			return result{}, err
		}
		for i := range times {
			times[i] = append(times[i], took[i]...)
		}
		b.progress("round %d: p99 of a create %.1f ms, of the raw pair %.1f ms", round, milliseconds(percentile(took[0], 99)), milliseconds(percentile(took[1], 99)))
		if err := b.deleteTopics(ctx, names[0]); err != nil {
			return result{}, err
		}
		if err := b.rawDelete(ctx, names[1]); err != nil {
			return result{}, err
		}
	}
	ours, theirs := percentile(times[0], 99), percentile(times[1], 99)
	return result{Value: milliseconds(ours - theirs), Unit: "ms", Goal: 25, BaselineName: fmt.Sprintf(
		"none: p99 of a create, %.1f ms, less p99 of raw validateOnly + CreateTopics, %.1f ms", milliseconds(ours), milliseconds(theirs))}, nil
}

// definition is a custom resource with a topic's fields and columns.
//
//go:embed customresource.yaml
var definition []byte

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	customs     = schema.GroupVersionResource{Group: "bench.example.com", Version: "v1", Resource: "storedtopics"}
)

// fillHost makes ten thousand custom resources in the host, each a copy of a topic, once.
func (b *bed) fillHost(ctx context.Context) error {
	if b.custom != nil {
		return nil
	}
	client, err := dynamic.NewForConfig(rest.CopyConfig(b.config))
	if err != nil {
		return fmt.Errorf("build the dynamic client: %w", err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(definition, &crd.Object); err != nil {
		return fmt.Errorf("decode customresource.yaml: %w", err)
	}
	if _, err := client.Resource(definitions).Create(ctx, crd, metav1.CreateOptions{}); ignoreExists(err) != nil {
		return fmt.Errorf("create the custom resource definition: %w", err)
	}
	sizes := &sizes{}
	b.removeCustom = func(ctx context.Context) error {
		return client.Resource(definitions).Delete(ctx, crd.GetName(), metav1.DeleteOptions{})
	}
	if sizes.topic, sizes.custom, err = b.copyCrowd(ctx, client); err != nil {
		return err
	}
	b.custom = sizes
	return nil
}

// sizes are the bytes of a topic and of a custom resource.
type sizes struct{ topic, custom int }

// list10k compares kubectl listing ten thousand topics with kubectl listing ten thousand custom resources of the same size, which the host
// serves itself.
func list10k(ctx context.Context, b *bed) (result, error) {
	if err := b.fill(ctx); err != nil {
		return result{}, err
	}
	if err := b.fillHost(ctx); err != nil {
		return result{}, err
	}
	times := make([][]time.Duration, 2)
	// The first of each fills kubectl's cache of what there is.
	for i := range 1 + lists {
		for j, what := range []string{"kafkatopics.kafka.openshift.io", "storedtopics.bench.example.com"} {
			took, err := b.kubectl(ctx, "get", "--namespace", crowd, what)
			if err != nil {
				return result{}, err
			}
			b.progress("kubectl get %s took %.2f s", what, took.Seconds())
			if i > 0 {
				times[j] = append(times[j], took)
			}
		}
	}
	return against(median(times[0]).Seconds(), median(times[1]).Seconds(), "s", fmt.Sprintf(
		"kubectl get of 10,000 custom resources of %d bytes; a topic has %d", b.custom.custom, b.custom.topic), 1.2), nil
}

// copyCrowd makes a custom resource for each topic, and returns the bytes of one of each.
func (b *bed) copyCrowd(ctx context.Context, client dynamic.Interface) (ours, theirs int, err error) {
	topic, err := b.kafka.KafkaV1beta1().KafkaTopics(crowd).Get(ctx, crowdNames()[0], metav1.GetOptions{})
	if err != nil {
		return 0, 0, fmt.Errorf("read a topic: %w", err)
	}
	topic.APIVersion, topic.Kind = v1beta1.SchemeGroupVersion.String(), "KafkaTopic"
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(topic)
	if err != nil {
		return 0, 0, fmt.Errorf("convert a topic: %w", err)
	}
	resources := client.Resource(customs).Namespace(crowd)
	custom := func(name string, padding int) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
		object.Object["metadata"] = map[string]any{"name": name, "labels": map[string]any{batchLabel: batchOf(crowdNames())}}
		object.SetAPIVersion(customs.GroupVersion().String())
		object.SetKind("StoredTopic")
		if padding > 0 {
			object.Object["padding"] = strings.Repeat("x", padding)
		}
		return object
	}
	// The definition takes a moment until it is served, and the first one shows by how much the host's own bookkeeping differs.
	var first *unstructured.Unstructured
	if err := wait.PollUntilContextTimeout(ctx, poll, time.Minute, true, func(ctx context.Context) (bool, error) {
		first, err = resources.Create(ctx, custom("first", 0), metav1.CreateOptions{})
		return err == nil, nil
	}); err != nil {
		return 0, 0, fmt.Errorf("wait until custom resources are served: %w", err)
	}
	if err := resources.Delete(ctx, "first", metav1.DeleteOptions{}); err != nil {
		return 0, 0, fmt.Errorf("delete the first custom resource: %w", err)
	}
	ours = size(topic)
	// The field itself and its mention among the managed fields count as well.
	padding := max(ours-size(first)-len(`"padding":"",`)-len(`"f:padding":{},`), 0)
	names := crowdNames()
	if err := inParallel(ctx, names, func(ctx context.Context, name string) error {
		// An earlier benchmark may have ended half way.
		_, err := resources.Create(ctx, custom(name, padding), metav1.CreateOptions{})
		return ignoreExists(err)
	}); err != nil {
		return 0, 0, fmt.Errorf("create custom resources: %w", err)
	}
	last, err := resources.Get(ctx, names[len(names)-1], metav1.GetOptions{})
	if err != nil {
		return 0, 0, fmt.Errorf("read a custom resource: %w", err)
	}
	b.progress("there are as many custom resources")
	return ours, size(last), nil
}

// size is what an object takes on the wire.
func size(object any) int {
	content, err := json.Marshal(object)
	if err != nil {
		return 0
	}
	return len(content)
}
