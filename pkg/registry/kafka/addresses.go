package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// addresses guard where external Kafkas are: the server dials what their authors write, from a place that these may not reach.
type addresses struct {
	// allowed is nil when everything is.
	allowed  *target.Addresses
	clusters *live.Clusters
}

// check refuses bootstrap servers that are not to be dialled. What their names stand for is looked at when they are.
func (a addresses) check(ctx context.Context, change stored.Change) error {
	k, _ := change.New.(*kafka.Kafka)
	before, _ := change.Old.(*kafka.Kafka)
	if a.allowed == nil || k == nil || k.Spec.External == nil {
		return nil
	}
	if before != nil && before.Spec.External != nil &&
		equality.Semantic.DeepEqual(k.Spec.External.BootstrapServers, before.Spec.External.BootstrapServers) {
		return nil
	}
	var errs field.ErrorList
	path := field.NewPath("spec", "external", "bootstrapServers")
	for i, server := range k.Spec.External.BootstrapServers {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			// Validation says so.
			continue
		}
		if a.allowed.Host(host) {
			continue
		}
		if err := a.allowed.Literal(ctx, host); errors.Is(err, target.ErrUnknown) {
			return apierrors.NewServiceUnavailable(err.Error())
		} else if err != nil {
			errs = append(errs, field.Invalid(path.Index(i), server, "not a place for an external cluster: "+err.Error()))
			continue
		}
		here, is, err := a.runHere(ctx, host)
		if err != nil {
			return err
		}
		if is {
			errs = append(errs, field.Invalid(path.Index(i), server, fmt.Sprintf("Kafka %s is run here: refer to it instead", here)))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(kafka.Kind("Kafka"), k.Name, errs)
}

// runHere is the Kafka that is run here whose Service a host name is, or the pod of one; false when it is none. It reads what is stored: a
// cache does not know a Kafka that was made a moment ago, and what cannot be read may be one. Who goes around the name meets the addresses.
func (a addresses) runHere(ctx context.Context, host string) (here types.NamespacedName, is bool, err error) {
	for _, service := range services(host) {
		for _, name := range kafkaOf(service.Name) {
			of := types.NamespacedName{Namespace: service.Namespace, Name: name}
			if is, err := a.clusters.RunHere(ctx, of); err != nil || is {
				return of, is, err
			}
		}
	}
	return types.NamespacedName{}, false, nil
}

// services are the Services that a host name can be of. Pods have the domain of the cluster, "svc" and namespaces to search in, so that
// each name can be cut short.
func services(host string) []types.NamespacedName {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	var all []types.NamespacedName
	// service.namespace and pod.service.namespace, with what may follow.
	for i := 0; i < 2 && i+1 < len(labels); i++ {
		if rest := labels[i+2:]; len(rest) == 0 || rest[0] == "svc" {
			all = append(all, types.NamespacedName{Namespace: labels[i+1], Name: labels[i]})
		}
	}
	return all
}

// kafkaOf are the names that the Kafka of a Service can have.
func kafkaOf(service string) []string {
	var names []string
	for _, suffix := range render.Services("") {
		if name, ok := strings.CutSuffix(service, suffix); ok && name != "" {
			names = append(names, name)
		}
	}
	return names
}
