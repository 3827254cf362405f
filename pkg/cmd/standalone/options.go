package standalone

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"

	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Options are the flags of the stand-alone server.
type Options struct {
	// DataDir is where everything is kept.
	DataDir string
	// Port on 127.0.0.1, a free one when 0; there is no way to listen anywhere else.
	Port int
	// KubeconfigOut is the kubeconfig that is written for kubectl.
	KubeconfigOut string
	// BootstrapServers are the brokers of the Kafka object default/local.
	BootstrapServers []string
	// Machine is the file system in which the memory limit of the process is found; without it none is kept to.
	Machine fs.FS
	// Controllers says that topics are carried out here that were stored while their brokers were away.
	Controllers bool
	// ReplicasPerBroker is how many replicas of partitions a Kafka takes for each of its brokers.
	ReplicasPerBroker int
}

// NewOptions sets the defaults.
func NewOptions() *Options {
	return &Options{DataDir: "kafka-apiserver-data", Port: 8443, KubeconfigOut: "kubeconfig", Controllers: true, Machine: os.DirFS("/"),
		ReplicasPerBroker: topics.DefaultReplicasPerBroker}
}

// AddFlags adds the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.DataDir, "data-dir", o.DataDir, "Folder for the embedded etcd and the serving certificate.")
	flags.IntVar(&o.Port, "port", o.Port, "Port on 127.0.0.1 to serve on; 0 takes a free one, which the kubeconfig names.")
	flags.StringVar(&o.KubeconfigOut, "kubeconfig-out", o.KubeconfigOut, "Kubeconfig to write, with a new token at each start.")
	flags.StringSliceVar(&o.BootstrapServers, "bootstrap-servers", o.BootstrapServers, "Brokers (host:port) of the Kafka object local in the namespace default.")
	flags.IntVar(&o.ReplicasPerBroker, "replicas-per-broker", o.ReplicasPerBroker, topics.ReplicasPerBrokerUsage)
	flags.BoolVar(&o.Controllers, "controllers", o.Controllers, "Run the controllers in this process, too.")
}

// Validate returns all errors.
func (o *Options) Validate() error {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("--data-dir must not be empty"))
	}
	if o.KubeconfigOut == "" {
		errs = append(errs, errors.New("--kubeconfig-out must not be empty"))
	}
	if o.Port < 0 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("--port %d: must be from 0 to 65535", o.Port))
	}
	for _, server := range o.BootstrapServers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			errs = append(errs, fmt.Errorf("--bootstrap-servers %q: must be host:port", server))
		}
	}
	return utilerrors.NewAggregate(errs)
}
