package kafkaconsumergroup

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

const (
	// maxClusters is how many Kafkas a list asks at the same time.
	maxClusters = 16
	// placePatience is how long one that does not answer keeps others from being asked.
	placePatience = 500 * time.Millisecond
	// clusterPatience is how long a list waits for one of them: longer than the verdict on one that is dead or hangs.
	clusterPatience = 6 * time.Second
	// maxWarnings bounds what a list says of Kafkas that do not answer: clients are sent four kilobytes of warnings at most.
	maxWarnings = 8
)

// List implements rest.Lister. Kafkas that do not answer are left out, with a warning. The order is by namespace, Kafka and name;
// a list that is continued goes on behind the last name, with what the brokers say then.
func (r *REST) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	s, err := newSelection(options)
	if err != nil {
		return nil, err
	}
	kafkas, err := r.kafkasOf(ctx, s)
	if err != nil {
		return nil, err
	}
	list := &kafka.KafkaConsumerGroupList{}
	answers := r.ask(ctx, kafkas, s)
	for i, a := range answers {
		if a.err == nil {
			list.Items = append(list.Items, a.groups...)
		} else {
			kafkas[i].problem = a.err
		}
		kafkas[i].missing = a.missing
	}
	warn(ctx, kafkas[:len(answers)])
	if limit := int(s.limit); limit > 0 && len(list.Items) > limit {
		// What remains of a selection is not told, as in every list of Kubernetes.
		if len(answers) == len(kafkas) && s.labels.Empty() && s.fields.Empty() {
			list.RemainingItemCount = ptr.To(int64(len(list.Items) - limit))
		}
		list.Items = list.Items[:limit]
		list.Continue = continueBehind(list.Items[limit-1])
	}
	return list, nil
}

// selection is what a list is about.
type selection struct {
	labels labels.Selector
	fields fields.Selector
	limit  int64
	behind position
}

// position is the last item of the list before.
type position struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func newSelection(options *metainternalversion.ListOptions) (selection, error) {
	s := selection{labels: labels.Everything(), fields: fields.Everything()}
	if options == nil {
		return s, nil
	}
	s.limit = options.Limit
	if options.LabelSelector != nil {
		s.labels = options.LabelSelector
	}
	if options.FieldSelector != nil {
		s.fields = options.FieldSelector
	}
	if options.Continue == "" {
		return s, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(options.Continue)
	if err == nil {
		err = json.Unmarshal(raw, &s.behind)
	}
	if _, _, ok := v1beta1.ParseConsumerGroupName(s.behind.Name); err != nil || !ok {
		return s, apierrors.NewBadRequest("continue: not from a list of consumer groups; list again without it")
	}
	return s, nil
}

func continueBehind(last kafka.KafkaConsumerGroup) string {
	raw, _ := json.Marshal(position{last.Namespace, last.Name}) // two strings: never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// mayHold tells whether groups of a Kafka can be in the list: the others are not asked.
func (s selection) mayHold(k *kafka.Kafka) bool {
	if name, exact := s.fields.RequiresExactMatch("metadata.name"); exact {
		if of, _, ok := v1beta1.ParseConsumerGroupName(name); !ok || of != k.Name {
			return false
		}
	}
	if namespace, exact := s.fields.RequiresExactMatch("metadata.namespace"); exact && namespace != k.Namespace {
		return false
	}
	if name, exact := s.fields.RequiresExactMatch("spec.clusterRef.name"); exact && name != k.Name {
		return false
	}
	behind, _, _ := v1beta1.ParseConsumerGroupName(s.behind.Name)
	// Groups have no labels.
	return s.labels.Matches(labels.Set{}) &&
		(k.Namespace > s.behind.Namespace || k.Namespace == s.behind.Namespace && k.Name >= behind)
}

// holds tells whether a group is in the list.
func (s selection) holds(k *kafka.Kafka, name string) bool {
	if k.Namespace == s.behind.Namespace {
		if of, _, _ := v1beta1.ParseConsumerGroupName(s.behind.Name); of == k.Name && name <= s.behind.Name {
			return false
		}
	}
	return s.fields.Matches(fields.Set{"metadata.name": name, "metadata.namespace": k.Namespace, "spec.clusterRef.name": k.Name})
}

// asked is a Kafka of a list, and what was wrong with it.
type asked struct {
	*kafka.Kafka
	problem error
	missing map[int32]error
}

// kafkasOf are the Kafkas that a list asks, in its order.
func (r *REST) kafkasOf(ctx context.Context, s selection) ([]asked, error) {
	obj, err := r.kafkas.List(ctx, &metainternalversion.ListOptions{})
	if err != nil {
		return nil, err
	}
	all, ok := obj.(*kafka.KafkaList)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("list Kafkas: got %T", obj))
	}
	var kafkas []asked
	for i := range all.Items {
		if k := &all.Items[i]; s.mayHold(k) {
			kafkas = append(kafkas, asked{Kafka: k})
		}
	}
	slices.SortFunc(kafkas, func(a, b asked) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return kafkas, nil
}

// answer is what one Kafka's brokers say.
type answer struct {
	groups  []kafka.KafkaConsumerGroup
	missing map[int32]error
	err     error
}

// ask asks some Kafkas at a time, in order, until there is more than the limit. The answers are those of the first Kafkas. One that does
// not answer soon makes room for the next: dozens that are away must not use up the time that others need.
func (r *REST) ask(ctx context.Context, kafkas []asked, s selection) []answer {
	answers := make([]answer, len(kafkas))
	var have atomic.Int64
	var running crash.Group
	places := make(chan struct{}, maxClusters)
	next := 0
	for ; next < len(kafkas); next++ {
		places <- struct{}{}
		if s.limit > 0 && have.Load() > s.limit {
			break
		}
		i := next
		running.Go(func() {
			leave := sync.OnceFunc(func() { <-places })
			defer leave()
			defer time.AfterFunc(placePatience, leave).Stop()
			answers[i] = r.groupsOf(ctx, kafkas[i].Kafka, s)
			have.Add(int64(len(answers[i].groups)))
		})
	}
	running.Wait()
	return answers[:next]
}

func (r *REST) groupsOf(ctx context.Context, k *kafka.Kafka, s selection) answer {
	cluster, err := r.clusters.Connect(k)
	if err != nil {
		return answer{err: err}
	}
	maxAge := time.Duration(0)
	if genericapirequest.NamespaceValue(ctx) == metav1.NamespaceAll {
		maxAge = recentAge
	}
	list, err := r.recent.get(ctx, cluster.Key(), maxAge, cluster.Groups)
	if err != nil {
		return answer{err: err}
	}
	a := answer{missing: list.Missing}
	for _, g := range list.Groups {
		if obj := view(k, g); s.holds(k, obj.Name) {
			a.groups = append(a.groups, obj)
		}
	}
	slices.SortFunc(a.groups, func(x, y kafka.KafkaConsumerGroup) int { return strings.Compare(x.Name, y.Name) })
	return a
}

// warn says what a list lacks, and why.
func warn(ctx context.Context, kafkas []asked) {
	said, unsaid := 0, 0
	say := func(what string, err error) {
		if said == maxWarnings {
			unsaid++
			return
		}
		said++
		live.Warn(ctx, what, err)
	}
	for _, k := range kafkas {
		if k.problem != nil {
			say(fmt.Sprintf("the consumer groups of Kafka %s/%s are not in the list", k.Namespace, k.Name), k.problem)
		}
		for _, id := range slices.Sorted(maps.Keys(k.missing)) {
			say(fmt.Sprintf("consumer groups of Kafka %s/%s that broker %d keeps are not in the list", k.Namespace, k.Name, id), k.missing[id])
		}
	}
	if unsaid > 0 {
		warning.AddWarning(ctx, "", fmt.Sprintf("consumer groups of %s are not in the list", plural.Of(unsaid, "more broker or Kafka", "more brokers or Kafkas")))
	}
}
