package target

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// endpointsTimeout bounds the wait for the first lists, which are there some milliseconds after a start.
const endpointsTimeout = 2 * time.Second

// ErrUnknown says that nothing is dialled before it is known that it may be.
var ErrUnknown = fmt.Errorf("%w of an external Kafka", broker.ErrAddressUnknown)

var (
	errEndpointsUnknown = fmt.Errorf("%w: the Services of API servers and of Kafkas that are run here have not been read yet, or their EndpointSlices; "+
		"the service account needs the verbs list and watch on services and on endpointslices.discovery.k8s.io", ErrUnknown)
	errKafkaUnknown = fmt.Errorf("%w: whether the Kafka whose address it would be is external cannot be found out", ErrUnknown)
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

// byAddress indexes Services and slices by their addresses.
const byAddress = "address"

// endpoints know the addresses of the Services of API servers and of Kafkas that are run here, and those of the pods and machines behind
// them. Of all Services and EndpointSlices of the host they watch these few, and keep no more of each than its addresses and whose
// it is.
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
	watch := func(namespace string, services, slices func(*metav1.ListOptions)) []cache.SharedIndexInformer {
		return []cache.SharedIndexInformer{
			coreinformers.NewFilteredServiceInformer(host, namespace, 0, cache.Indexers{byAddress: addressesOf}, services),
			discoveryinformers.NewFilteredEndpointSliceInformer(host, namespace, 0, cache.Indexers{byAddress: addressesOf}, slices),
		}
	}
	for _, service := range []types.NamespacedName{hostAPI, api} {
		e.servers = append(e.servers, watch(service.Namespace,
			func(options *metav1.ListOptions) {
				options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, service.Name).String()
			},
			func(options *metav1.ListOptions) {
				options.LabelSelector = labels.Set{discoveryv1.LabelServiceName: service.Name}.String()
			})...)
	}
	// Slices have the labels of their Services. So may those of others, and their Services: see ofKafka.
	labelled := func(options *metav1.ListOptions) { options.LabelSelector = services.Labels.String() }
	e.nodes = watch(metav1.NamespaceAll, labelled, labelled)
	for _, informer := range e.informers() {
		if err := informer.SetTransform(e.keep); err != nil {
			return nil, fmt.Errorf("watch Services and EndpointSlices: %w", err)
		}
	}
	return e, nil
}

func (e *endpoints) informers() []cache.SharedIndexInformer { return slices.Concat(e.servers, e.nodes) }

// run watches until ctx ends.
func (e *endpoints) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	var synced []cache.InformerSynced
	for _, informer := range e.informers() {
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
	if len(e.holding(e.servers, ip)) > 0 {
		return errServer
	}
	for _, h := range e.holding(e.nodes, ip) {
		if err := e.ofKafka(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// ofKafka returns why nothing is dialled at the addresses of a Service, or behind it, nil when it is not of a cluster that is run here. Its labels
// are no proof: whoever may label a Service of his own can write them. So the Service has to have a name that is the Kafka's to give of which its
// labels speak. That this Kafka exists is no condition: a cluster whose Kafka was lost with the storage is kept until somebody makes the Kafka
// again, and nobody else takes it meanwhile. Only one that is external runs no pods.
func (e *endpoints) ofKafka(ctx context.Context, h holder) error {
	of := types.NamespacedName{Namespace: h.namespace, Name: h.cluster}
	if of.Name == "" || !slices.Contains(e.services.Names(of.Name), h.service) {
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
