package target

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// keep leaves out of a Service, or of an EndpointSlice, all but its addresses and whose it is.
func (e *endpoints) keep(obj any) (any, error) {
	switch from := obj.(type) {
	case *corev1.Service:
		return &corev1.Service{
			ObjectMeta: e.keepMeta(from.ObjectMeta),
			Spec:       corev1.ServiceSpec{ClusterIP: from.Spec.ClusterIP, ClusterIPs: from.Spec.ClusterIPs},
		}, nil
	case *discoveryv1.EndpointSlice:
		kept := &discoveryv1.EndpointSlice{ObjectMeta: e.keepMeta(from.ObjectMeta), AddressType: from.AddressType}
		for _, endpoint := range from.Endpoints {
			kept.Endpoints = append(kept.Endpoints, discoveryv1.Endpoint{Addresses: endpoint.Addresses})
		}
		return kept, nil
	}
	return obj, nil
}

func (e *endpoints) keepMeta(from metav1.ObjectMeta) metav1.ObjectMeta {
	kept := metav1.ObjectMeta{Namespace: from.Namespace, Name: from.Name, UID: from.UID, ResourceVersion: from.ResourceVersion, Labels: map[string]string{}}
	for _, label := range []string{discoveryv1.LabelServiceName, e.services.Cluster} {
		if value, ok := from.Labels[label]; ok {
			kept.Labels[label] = value
		}
	}
	return kept
}

// addressesOf are the addresses of a Service, or in a slice whether ready or not, as net/netip writes them. What is none is left out: a headless
// Service has "None", and names lead to addresses that are looked at themselves.
func addressesOf(obj any) ([]string, error) {
	var said []string
	switch from := obj.(type) {
	case *corev1.Service:
		// Those that others give a Service may be of machines that serve much else. No Service of a Kafka that is run here has such.
		said = append(append(said, from.Spec.ClusterIP), from.Spec.ClusterIPs...)
	case *discoveryv1.EndpointSlice:
		for _, endpoint := range from.Endpoints {
			said = append(said, endpoint.Addresses...)
		}
	default:
		return nil, fmt.Errorf("%T is neither a Service nor an EndpointSlice", obj)
	}
	var all []string
	for _, address := range said {
		if ip, err := netip.ParseAddr(address); err == nil {
			all = append(all, ip.WithZone("").Unmap().String())
		}
	}
	return all, nil
}

// holder is the Service that has an address, or behind which it is.
type holder struct {
	namespace, service string
	// cluster is the name of the Kafka of which its labels speak.
	cluster string
}

// holding are those that have an address, by what some informers know.
func (e *endpoints) holding(informers []cache.SharedIndexInformer, ip netip.Addr) []holder {
	var all []holder
	for _, informer := range informers {
		// The index exists: newEndpoints made it.
		found, _ := informer.GetIndexer().ByIndex(byAddress, ip.String())
		for _, obj := range found {
			switch from := obj.(type) {
			case *corev1.Service:
				all = append(all, holder{from.Namespace, from.Name, from.Labels[e.services.Cluster]})
			case *discoveryv1.EndpointSlice:
				all = append(all, holder{from.Namespace, from.Labels[discoveryv1.LabelServiceName], from.Labels[e.services.Cluster]})
			}
		}
	}
	return all
}
