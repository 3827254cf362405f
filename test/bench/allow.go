package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// allowBrokers has the server and the controllers take the brokers of the Kafka for those of an external one, too, as an administrator may:
// brokers that are run here are no external ones otherwise.
func (b *bed) allowBrokers(ctx context.Context) error {
	addresses, err := b.addresses(ctx)
	if err != nil {
		return err
	}
	hosts := make([]string, len(addresses))
	for i, address := range addresses {
		if hosts[i], _, err = net.SplitHostPort(address); err != nil {
			return fmt.Errorf("read the address of a broker: %w", err)
		}
	}
	flag := "--allow-external-addresses=" + strings.Join(hosts, ",")
	patch, err := json.Marshal([]map[string]string{{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": flag}})
	if err != nil {
		return err
	}
	server, err := b.host.AppsV1().StatefulSets(systemNamespace).Patch(ctx, "kafka-apiserver", types.JSONPatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("allow the API server to reach the brokers: %w", err)
	}
	controllers, err := b.host.AppsV1().Deployments(systemNamespace).Patch(ctx, "kafka-controllers", types.JSONPatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("allow the controllers to reach the brokers: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		s, err := b.host.AppsV1().StatefulSets(systemNamespace).Get(ctx, server.Name, metav1.GetOptions{})
		if err != nil || s.Status.ObservedGeneration < server.Generation || s.Status.UpdatedReplicas < *s.Spec.Replicas || s.Status.ReadyReplicas < *s.Spec.Replicas {
			return false, nil
		}
		d, err := b.host.AppsV1().Deployments(systemNamespace).Get(ctx, controllers.Name, metav1.GetOptions{})
		if err != nil || d.Status.ObservedGeneration < controllers.Generation || d.Status.Replicas != d.Status.UpdatedReplicas || d.Status.ReadyReplicas < *d.Spec.Replicas {
			return false, nil
		}
		_, err = b.kafka.KafkaV1beta1().Kafkas(namespace).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the server and the controllers with %s: %w", flag, err)
	}
	return nil
}
