package serve

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/features"
	quota "k8s.io/apiserver/pkg/quota/v1"
	quotageneric "k8s.io/apiserver/pkg/quota/v1/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"kafka.openshift.io/kafka-apiserver/pkg/admission/ownerreferences"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/places"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// notStarted stands for the embedded etcd's endpoint until it is up; the generic options want one.
const notStarted = "unix:///embedded"

// Options are the flags of the server.
type Options struct {
	Recommended *genericoptions.RecommendedOptions
	ServerRun   *genericoptions.ServerRunOptions
	// DataDir is where the embedded etcd keeps its data.
	DataDir string
	// EtcdQuotaBytes is the size that its database may have; 0 derives it from the volume.
	EtcdQuotaBytes int64
	// Namespace is the server's own.
	Namespace string
	// ReplicasPerBroker is how many replicas of partitions a Kafka takes for each of its brokers.
	ReplicasPerBroker int
	// Options say where external Kafkas may be.
	places.Options

	embedded bool
}

// Gates can only get another default before they become flags.
func init() {
	// The watch cache would keep a copy of its index for each of the last changes, some 50 MiB after ten thousand topics were created. Without
	// them, the second and later pages of a long list are read from etcd (docs/decisions/0013-pages-of-long-lists.md).
	utilruntime.Must(utilfeature.DefaultMutableFeatureGate.OverrideDefault(features.ListFromCacheSnapshot, false))
}

// NewOptions sets the defaults.
func NewOptions() *Options {
	codec := apiserver.Codecs.LegacyCodec(v1beta1.SchemeGroupVersion)
	o := &Options{
		Recommended: genericoptions.NewRecommendedOptions(apiserver.EtcdPrefix, codec),
		ServerRun:   genericoptions.NewServerRunOptions(),
		DataDir:     "/var/lib/kafka-apiserver",
		Namespace:   "kafka-system",

		ReplicasPerBroker: topics.DefaultReplicasPerBroker,
		Options:           places.NewOptions(),
	}
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		o.Namespace = namespace
	}
	o.Recommended.Etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(v1beta1.SchemeGroupVersion,
		schema.GroupKind{Group: v1beta1.GroupName})
	// Unprivileged users cannot bind the generic default of 443.
	o.Recommended.SecureServing.BindPort = 6443
	// Deleting a collection waits for the disk twice an object; one at a time, thousands would take longer than a request may.
	o.Recommended.Etcd.DeleteCollectionWorkers = 16

	// Counting objects is kube-controller-manager's; refusing the one too many is the server's that stores them.
	resourcequota.Register(o.Recommended.Admission.Plugins)
	ownerreferences.Register(o.Recommended.Admission.Plugins)
	o.Recommended.Admission.DefaultOffPlugins.Insert(ownerreferences.PluginName)
	o.Recommended.Admission.RecommendedPluginOrder = append(o.Recommended.Admission.RecommendedPluginOrder, ownerreferences.PluginName, resourcequota.PluginName)
	o.Recommended.ExtraAdmissionInitializers = func(*genericapiserver.RecommendedConfig) ([]admission.PluginInitializer, error) {
		return []admission.PluginInitializer{quotaInitializer{quotageneric.NewConfiguration(nil, nil)}}, nil
	}
	return o
}

// AddFlags adds the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	o.Recommended.AddFlags(flags)
	o.ServerRun.AddUniversalFlags(flags)
	flags.StringVar(&o.DataDir, "data-dir", o.DataDir, "Folder of the embedded etcd, which is used when --etcd-servers is empty. Exactly one server may use it.")
	flags.Int64Var(&o.EtcdQuotaBytes, "embedded-etcd-quota-bytes", o.EtcdQuotaBytes, "Size at which the embedded etcd takes deletions only. 0 means somewhat less than half of the volume of --data-dir, up to 4 GiB: a defragmentation writes a second database beside the first.")
	flags.StringVar(&o.Namespace, "namespace", o.Namespace, "Namespace of this server: its serving authority and the identity of its storage are kept there. Defaults to $POD_NAMESPACE.")
	flags.IntVar(&o.ReplicasPerBroker, "replicas-per-broker", o.ReplicasPerBroker, topics.ReplicasPerBrokerUsage)
	o.Options.AddFlags(flags)
	// The generic server accepts these and ignores them under the storage factory in use.
	for _, name := range []string{"storage-media-type", "etcd-servers-overrides", "storage-backend"} {
		if flag := flags.Lookup(name); flag != nil {
			flag.Hidden = true
		}
	}
}

// Complete derives what is not given.
func (o *Options) Complete() error {
	if len(o.Recommended.Etcd.StorageConfig.Transport.ServerList) == 0 {
		o.embedded = true
		o.Recommended.Etcd.StorageConfig.Transport.ServerList = []string{notStarted}
	}
	// Feature gates are read from here on.
	if err := o.ServerRun.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	return o.ServerRun.Complete()
}

// Validate returns all errors.
func (o *Options) Validate() error {
	errs := o.Recommended.Validate()
	errs = append(errs, o.ServerRun.Validate()...)
	if o.embedded && o.DataDir == "" {
		errs = append(errs, errors.New("--data-dir must not be empty without --etcd-servers"))
	}
	if o.EtcdQuotaBytes < 0 {
		errs = append(errs, fmt.Errorf("--embedded-etcd-quota-bytes %d: must not be negative", o.EtcdQuotaBytes))
	}
	if o.Namespace == "" {
		errs = append(errs, errors.New("--namespace must not be empty"))
	}
	errs = append(errs, o.Options.Validate()...)
	return utilerrors.NewAggregate(errs)
}

func (o *Options) hostConfig() (*rest.Config, error) {
	path := o.Recommended.CoreAPI.CoreAPIKubeconfigPath
	if path == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("find the host: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", path, err)
	}
	return config, nil
}

type quotaInitializer struct{ configuration quota.Configuration }

// Initialize implements admission.PluginInitializer.
func (i quotaInitializer) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(initializer.WantsQuotaConfiguration); ok {
		wants.SetQuotaConfiguration(i.configuration)
	}
}

// hook makes a loop a post-start hook, which has to return at once.
func hook(run func(context.Context)) genericapiserver.PostStartHookFunc {
	return func(hook genericapiserver.PostStartHookContext) error {
		go run(hook)
		return nil
	}
}
