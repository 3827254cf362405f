package target

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// endpointsTimeout bounds the wait for the first list of endpoints, which is there some milliseconds after a start.
const endpointsTimeout = 2 * time.Second

// ErrUnknown says that nothing is dialled before it is known that it may be.
var ErrUnknown = fmt.Errorf("%w of an external Kafka", broker.ErrAddressUnknown)

var (
	errEndpointsUnknown = fmt.Errorf("%w: the EndpointSlices of API servers and of Kafkas that are run here have not been read yet; "+
		"the service account needs the verbs list and watch on endpointslices.discovery.k8s.io", ErrUnknown)
	errKafkaUnknown = fmt.Errorf("%w: whether the Kafka whose pod it would be is external cannot be found out", ErrUnknown)
)

// Kafkas tell whether a Kafka exists and is external. One that does not exist is not: its cluster may be kept, and run, without it.
type Kafkas func(ctx context.Context, of types.NamespacedName) (bool, error)

// Services say how the Services of Kafkas that are run here are recognized.
type Services struct {
	// Labels are on all of them, and Cluster is the label that has the Kafka's name.
	Labels  labels.Set
	Cluster string
	// Names are those that the Services of a Kafka can have.
	Names func(kafka string) []string
}

// hostAPI is the Service of the host's API servers.
var hostAPI = types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}

// byAddress indexes slices by the addresses in them.
const byAddress = "address"

// endpoints know the addresses of the pods and machines behind the Services of API servers and of Kafkas that are run here. Of all slices
// of the host they watch these few, and keep no more of each than its addresses and whose it is.
type endpoints struct {
	servers, nodes []cache.SharedIndexInformer
	services       Services
	// kafkas may be nil: then no Kafka is known.
	kafkas Kafkas
	// known is closed when all have been listed.
	known chan struct{}
}

// newEndpoints builds endpoints of the host's own Service, that of this API, and those of Kafkas.
func newEndpoints(host kubernetes.Interface, api types.NamespacedName, services Services) (*endpoints, error) {
	e := &endpoints{services: services, known: make(chan struct{})}
	watch := func(namespace string, selected labels.Set) (cache.SharedIndexInformer, error) {
		informer := discoveryinformers.NewFilteredEndpointSliceInformer(host, namespace, 0, cache.Indexers{byAddress: addressesOf},
			func(options *metav1.ListOptions) { options.LabelSelector = selected.String() })
		return informer, informer.SetTransform(e.onlyAddresses)
	}
	var errs []error
	for _, service := range []types.NamespacedName{hostAPI, api} {
		informer, err := watch(service.Namespace, labels.Set{discoveryv1.LabelServiceName: service.Name})
		e.servers, errs = append(e.servers, informer), append(errs, err)
	}
	// Slices have the labels of their Services. So may those of others: see ofKafka.
	informer, err := watch(metav1.NamespaceAll, services.Labels)
	e.nodes, errs = append(e.nodes, informer), append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("watch EndpointSlices: %w", err)
	}
	return e, nil
}

// run watches until ctx ends.
func (e *endpoints) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	var synced []cache.InformerSynced
	for _, informer := range append(e.servers[:len(e.servers):len(e.servers)], e.nodes...) {
		synced = append(synced, informer.HasSynced)
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	if cache.WaitForCacheSync(ctx.Done(), synced...) {
		close(e.known)
	}
}

// judge returns why nothing is dialled at an address, nil when it is behind none of the Services.
func (e *endpoints) judge(ctx context.Context, ip netip.Addr) error {
	if e == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, endpointsTimeout)
	defer cancel()
	select {
	case <-e.known:
	case <-ctx.Done():
		return errEndpointsUnknown
	}
	if len(e.slices(e.servers, ip)) > 0 {
		return errServer
	}
	for _, slice := range e.slices(e.nodes, ip) {
		if err := e.ofKafka(ctx, slice); err != nil {
			return err
		}
	}
	return nil
}

// slices are those of some informers that have an address.
func (e *endpoints) slices(informers []cache.SharedIndexInformer, ip netip.Addr) []*discoveryv1.EndpointSlice {
	var all []*discoveryv1.EndpointSlice
	for _, informer := range informers {
		// The index exists: newEndpoints made it.
		found, _ := informer.GetIndexer().ByIndex(byAddress, ip.String())
		for _, obj := range found {
			if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
				all = append(all, slice)
			}
		}
	}
	return all
}

// ofKafka returns why nothing is dialled at the addresses in a slice, nil when it is not of a cluster that is run here. Its labels are no proof:
// whoever may label a Service of his own can write them. So the Service has to have a name that is the Kafka's to give of which its labels
// speak. That this Kafka exists is no condition: a cluster whose Kafka was lost with the storage is kept until somebody makes the Kafka again,
// and nobody else takes it meanwhile. Only one that is external runs no pods.
func (e *endpoints) ofKafka(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	of := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[e.services.Cluster]}
	if of.Name == "" || !slices.Contains(e.services.Names(of.Name), slice.Labels[discoveryv1.LabelServiceName]) {
		return nil
	}
	if e.kafkas == nil {
		return errKafkaUnknown
	}
	external, err := e.kafkas(ctx, of)
	switch {
	case err != nil:
		// Who reads the error may have no right to know of the Kafka.
		klog.FromContext(ctx).Error(err, "Kafka not read to judge an address", "kafka", of)
		return errKafkaUnknown
	case external:
		return nil
	}
	return errNode
}

// onlyAddresses leaves out of a slice what nobody reads.
func (e *endpoints) onlyAddresses(obj any) (any, error) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return obj, nil
	}
	kept := &discoveryv1.EndpointSlice{AddressType: slice.AddressType,
		ObjectMeta: metav1.ObjectMeta{Namespace: slice.Namespace, Name: slice.Name, UID: slice.UID, ResourceVersion: slice.ResourceVersion,
			Labels: map[string]string{}}}
	for _, label := range []string{discoveryv1.LabelServiceName, e.services.Cluster} {
		if value, ok := slice.Labels[label]; ok {
			kept.Labels[label] = value
		}
	}
	for _, endpoint := range slice.Endpoints {
		kept.Endpoints = append(kept.Endpoints, discoveryv1.Endpoint{Addresses: endpoint.Addresses})
	}
	return kept, nil
}

// addressesOf are the addresses in a slice, whether ready or not, as net/netip writes them. Those that are names lead to some that are
// looked at themselves.
func addressesOf(obj any) ([]string, error) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, fmt.Errorf("%T is no EndpointSlice", obj)
	}
	var all []string
	for _, endpoint := range slice.Endpoints {
		for _, address := range endpoint.Addresses {
			if ip, err := netip.ParseAddr(address); err == nil {
				all = append(all, ip.WithZone("").Unmap().String())
			}
		}
	}
	return all, nil
}
