// Package places is the flags that say where external Kafkas may be, for all commands that reach brokers from inside of a Kubernetes.
package places

import (
	"errors"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Options are the flags.
type Options struct {
	// ServiceName is the Service in front of the API server.
	ServiceName string
	// AllowExternalAddresses are networks, addresses and hosts where external Kafkas may be although others must not, DenyExternalAddresses
	// networks and addresses where they must not.
	AllowExternalAddresses, DenyExternalAddresses []string
}

// NewOptions sets the defaults.
func NewOptions() Options { return Options{ServiceName: "kafka-apiserver"} }

// AddFlags adds the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.ServiceName, "service-name", o.ServiceName, "Name of the Service in front of the API server, in the same namespace: "+
		"the serving certificate that the server makes is for it, and no external Kafka is there.")
	flags.StringSliceVar(&o.AllowExternalAddresses, "allow-external-addresses", o.AllowExternalAddresses,
		"Networks, addresses and names of hosts, separated by commas, where external Kafkas may be although they are loopback, link-local "+
			"or multicast addresses, metadata services, API servers, Services or pods of Kafkas that are run here, or in --deny-external-addresses.")
	flags.StringSliceVar(&o.DenyExternalAddresses, "deny-external-addresses", o.DenyExternalAddresses,
		"Networks and addresses, separated by commas, where external Kafkas must not be, such as the network of the nodes. "+
			"What --allow-external-addresses names may be all the same.")
}

// Validate returns all that is wrong.
func (o *Options) Validate() []error {
	var errs []error
	if o.ServiceName == "" {
		errs = append(errs, errors.New("--service-name must not be empty"))
	}
	if _, err := target.NewAddresses(o.places(), nil); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// Addresses are where external Kafkas may be, around a process that reaches its host at url and is in a namespace of it.
func (o *Options) Addresses(host kubernetes.Interface, url, namespace string) (*target.Addresses, error) {
	return o.places().Around(host, url, types.NamespacedName{Namespace: namespace, Name: o.ServiceName},
		target.Services{Labels: render.CommonLabels(), Cluster: render.LabelCluster, Names: render.Services}, clock.RealClock{})
}

func (o *Options) places() target.Places {
	return target.Places{Allow: o.AllowExternalAddresses, Deny: o.DenyExternalAddresses}
}
