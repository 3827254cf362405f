package main

import (
	"context"
	"fmt"
	"net"
	"os"
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
)

// bed is what benchmarks share.
type bed struct {
	host     kubernetes.Interface
	kafka    versioned.Interface
	resolver *net.Resolver
	raw      *kgo.Client
}

func newBed(dns string) (*bed, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(),
		&clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	// client-go would hold requests back to 5 a second.
	config.QPS = -1
	b := &bed{resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dns)
	}}}
	if b.host, err = kubernetes.NewForConfig(rest.CopyConfig(config)); err != nil {
		return nil, fmt.Errorf("build the client of the host: %w", err)
	}
	if b.kafka, err = versioned.NewForConfig(rest.CopyConfig(config)); err != nil {
		return nil, fmt.Errorf("build the client of the Kafka API: %w", err)
	}
	return b, nil
}

// start makes the namespace, and the Kafka that topics are measured on, once.
func (b *bed) start(ctx context.Context) error {
	if b.raw != nil {
		return nil
	}
	if err := b.ensureNamespace(ctx); err != nil {
		return err
	}
	if _, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Create(ctx, newKafka(cluster), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create Kafka %s: %w", cluster, err)
	}
	if err := b.waitReady(ctx, cluster); err != nil {
		return err
	}
	k, err := b.kafka.KafkaV1beta1().Kafkas(namespace).Get(ctx, cluster, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read Kafka %s: %w", cluster, err)
	}
	// A second client, and another library than the product's, is what the product is measured against.
	b.raw, err = kgo.NewClient(kgo.SeedBrokers(k.Status.Listeners[0].Addresses...), kgo.Dialer(b.dial))
	if err != nil {
		return fmt.Errorf("build the raw client: %w", err)
	}
	return nil
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

// ensureNamespace makes the namespace, after that of an earlier run is gone.
func (b *bed) ensureNamespace(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		current, err := b.host.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = b.host.CoreV1().Namespaces().Create(ctx, newNamespace(), metav1.CreateOptions{})
			return err == nil, err
		}
		return err == nil && current.DeletionTimestamp == nil, err
	})
	if err != nil {
		return fmt.Errorf("make the namespace %s: %w", namespace, err)
	}
	return nil
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

// close leaves nothing behind: the namespace goes with everything in it.
func (b *bed) close(ctx context.Context) {
	if b.raw != nil {
		b.raw.Close()
	}
	if err := b.deleteNamespace(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: cleaning up:", err)
	}
}

func (b *bed) deleteNamespace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// The Kafkas go first, so that the controllers take their pods away.
	kafkas := b.kafka.KafkaV1beta1().Kafkas(namespace)
	if err := kafkas.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("delete the Kafkas: %w", err)
	}
	if err := b.host.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the namespace: %w", err)
	}
	return nil
}
