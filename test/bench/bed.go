package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

const (
	namespace = "kafka-bench"
	// cluster is the Kafka that topics are measured on.
	cluster = "bench"
	// patience is how long anything may take to become ready.
	patience = 5 * time.Minute
	poll     = 50 * time.Millisecond
	// endPoll is how often pods that should end are told so.
	endPoll = time.Second
)

// bed is what benchmarks share.
type bed struct {
	config   *rest.Config
	host     kubernetes.Interface
	kafka    versioned.Interface
	resolver *net.Resolver
	// outside is the address of this machine that the cluster reaches.
	outside string
	begun   time.Time
	// scale is the part of its size that a benchmark without a cluster has.
	scale float64

	// namespaces are those that were made.
	namespaces []string
	raw        *kgo.Client
	crowded    bool
	quiet      *quietness
	// custom are the sizes of the custom resources in the host and of what they are copies of, nil without any. removeCustom removes them.
	custom       *sizes
	removeCustom func(context.Context) error
	slope        *slope
	stampede     *stampede
}

func newBed(scale float64) *bed { return &bed{begun: time.Now(), scale: scale} }

// connect finds the cluster.
func (b *bed) connect(dns string) error {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(),
		&clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	// client-go would hold requests back to 5 a second.
	config.QPS = -1
	// That brokers are away is meant to be.
	config.WarningHandler = rest.NoWarnings{}
	b.config = config
	b.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dns)
	}}
	// Nothing is sent: connecting a datagram socket only asks for the route.
	route, err := net.Dial("udp", dns)
	if err != nil {
		return fmt.Errorf("find the way to the cluster: %w", err)
	}
	defer route.Close()
	b.outside = route.LocalAddr().(*net.UDPAddr).IP.String()
	if b.host, err = kubernetes.NewForConfig(rest.CopyConfig(config)); err != nil {
		return fmt.Errorf("build the client of the host: %w", err)
	}
	if b.kafka, err = versioned.NewForConfig(rest.CopyConfig(config)); err != nil {
		return fmt.Errorf("build the client of the Kafka API: %w", err)
	}
	return nil
}

// scaled is a number of a benchmark without a cluster as it is tried.
func (b *bed) scaled(n int) int { return max(1, int(b.scale*float64(n))) }

// progress tells whoever waits what is going on.
func (b *bed) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

// start makes the namespace, and the Kafka that topics are measured on, once.
func (b *bed) start(ctx context.Context) error {
	if b.raw != nil {
		return nil
	}
	if err := b.ensureNamespace(ctx, namespace); err != nil {
		return err
	}
	if _, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Create(ctx, newKafka(cluster), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Kafka %s: %w", cluster, err)
	}
	if err := b.waitReady(ctx, cluster); err != nil {
		return err
	}
	client, err := b.newRaw(ctx)
	if err != nil {
		return err
	}
	b.raw = client
	b.progress("Kafka %s is ready", cluster)
	return nil
}

// newRaw is a client of the brokers themselves, of another library than the product's: what the product is measured against.
func (b *bed) newRaw(ctx context.Context) (*kgo.Client, error) {
	addresses, err := b.addresses(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses...), kgo.Dialer(b.dial))
	if err != nil {
		return nil, fmt.Errorf("build the raw client: %w", err)
	}
	return client, nil
}

// addresses are where the brokers of the Kafka are.
func (b *bed) addresses(ctx context.Context) ([]string, error) {
	k, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Get(ctx, cluster, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Kafka %s: %w", cluster, err)
	}
	return k.Status.Listeners[0].Addresses, nil
}

// dial resolves the brokers' names with the cluster's DNS: this machine knows neither them nor the cluster's domain, which pods
// find in their search list.
func (b *bed) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(host, ".svc") {
		address = net.JoinHostPort(host+".cluster.local.", port)
	}
	return (&net.Dialer{Resolver: b.resolver, Timeout: 5 * time.Second}).DialContext(ctx, network, address)
}

// ensureNamespace makes a namespace once, after that of an earlier run, which may not have cleaned up, is gone.
func (b *bed) ensureNamespace(ctx context.Context, name string) error {
	if slices.Contains(b.namespaces, name) {
		return nil
	}
	if err := b.deleteNamespace(ctx, name); err != nil {
		return err
	}
	if _, err := b.host.CoreV1().Namespaces().Create(ctx, newNamespace(name), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make the namespace %s: %w", name, err)
	}
	b.namespaces = append(b.namespaces, name)
	return nil
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (b *bed) waitReady(ctx context.Context, name string) error {
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		k, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionReady), nil
	})
	if err != nil {
		return fmt.Errorf("wait for Kafka %s: %w", name, err)
	}
	return nil
}

// close leaves nothing behind: the namespaces go with everything in them.
func (b *bed) close(ctx context.Context) {
	if b.raw != nil {
		b.raw.Close()
	}
	if b.removeCustom != nil {
		if err := b.removeCustom(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: cleaning up:", err)
		}
	}
	for _, name := range b.namespaces {
		if err := b.deleteNamespace(ctx, name); err != nil {
			fmt.Fprintln(os.Stderr, "bench: cleaning up:", err)
		}
	}
}

// clearAll deletes what earlier benchmarks left, and waits until it is gone.
func (b *bed) clearAll(ctx context.Context) error {
	for _, name := range b.namespaces {
		if err := b.deleteNamespace(ctx, name); err != nil {
			return err
		}
		b.progress("namespace %s is gone", name)
	}
	if b.raw != nil {
		b.raw.Close()
	}
	// The custom resources went with their namespace.
	b.namespaces, b.raw, b.crowded, b.custom = nil, nil, false, nil
	return nil
}

// deleteNamespace deletes a namespace with everything in it, and waits until it is gone.
func (b *bed) deleteNamespace(ctx context.Context, name string) error {
	namespaces := b.host.CoreV1().Namespaces()
	if _, err := namespaces.Get(ctx, name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// The Kafkas go first, so that the controllers make no pods for them any more.
	kafkas := b.kafka.KafkaV1beta1().Kafkas(name)
	if err := kafkas.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("delete the Kafkas in %s: %w", name, err)
	}
	if err := b.host.AppsV1().StatefulSets(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("delete the StatefulSets in %s: %w", name, err)
	}
	// The namespace controller sleeps for half of the grace period of pods that it meets, which is minutes for a broker.
	if err := b.endPods(ctx, name, ""); err != nil {
		return err
	}
	if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete the namespace %s: %w", name, err)
	}
	err := wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		return fmt.Errorf("wait for the namespace %s to go: %w", name, err)
	}
	return nil
}

// endPods ends pods whose StatefulSet is gone without the grace that they ask for, and waits until they have ended. A broker whose fellows
// end with it waits five minutes for a quorum that is gone: it cannot hand its partitions over without one. Nobody needs its data any more.
func (b *bed) endPods(ctx context.Context, namespace, selector string) error {
	pods := b.host.CoreV1().Pods(namespace)
	options := metav1.ListOptions{LabelSelector: selector}
	err := wait.PollUntilContextTimeout(ctx, endPoll, patience, true, func(ctx context.Context) (bool, error) {
		left, err := pods.List(ctx, options)
		if err != nil || len(left.Items) == 0 {
			return err == nil, nil
		}
		// Not 0, which would take the object away while the container still runs.
		return false, pods.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1)}, options)
	})
	if err != nil {
		return fmt.Errorf("wait for the pods in %s to end: %w", namespace, err)
	}
	return nil
}
