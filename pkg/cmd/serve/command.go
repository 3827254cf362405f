// Package serve is the command "kafka-apiserver serve": the aggregated API server.
package serve

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/servingcert"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// heapHeadroom is how much garbage may pile up: a thousand creates make several times as much.
const heapHeadroom = 48 << 20

// NewCommand builds the command.
func NewCommand() *cobra.Command {
	options := NewOptions()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the kafka.openshift.io API behind a kube-apiserver",
		Long: `Serve the kafka.openshift.io API behind a kube-apiserver's aggregation layer.

Objects are kept in an embedded etcd below --data-dir, or in the etcd of
--etcd-servers. Unless --tls-cert-file is given, the server makes and renews its
own serving certificate and keeps the caBundle of its APIService true.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.Complete(); err != nil {
				return err
			}
			if err := options.Validate(); err != nil {
				return err
			}
			return Run(cmd.Context(), options)
		},
	}
	options.AddFlags(cmd.Flags())
	return cmd
}

// Run serves until ctx ends, and then until the last request is answered.
func Run(ctx context.Context, options *Options) error {
	heap.Start(ctx, os.DirFS("/"))
	var etcd *storage.Embedded
	if options.embedded {
		// Storages dial etcd while they are built, so it has to be up before.
		var err error
		if etcd, err = storage.StartEmbeddedWithQuota(ctx, options.DataDir, options.EtcdQuotaBytes); err != nil {
			return err
		}
		defer etcd.Close()
		options.Recommended.Etcd.StorageConfig.Transport.ServerList = []string{etcd.Endpoint()}
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			select {
			case err := <-etcd.Err():
				cancel(fmt.Errorf("the embedded etcd failed: %w", err))
			case <-ctx.Done():
			}
		}()
	}
	client, err := storage.NewClient(options.Recommended.Etcd.StorageConfig.Transport)
	if err != nil {
		return err
	}
	defer func() {
		if err := client.Close(); err != nil {
			klog.FromContext(ctx).Info("etcd client not closed", "err", err)
		}
	}()

	loops, err := apiserver.RegisterMetrics()
	if err != nil {
		return err
	}
	generic := apiserver.NewRecommendedConfig()
	certificate, err := options.prepareCertificate(ctx, loops)
	if err != nil {
		return err
	}
	if err := options.ServerRun.ApplyTo(&generic.Config); err != nil {
		return err
	}
	if err := options.Recommended.ApplyTo(generic); err != nil {
		return err
	}
	authorizes, err := delegated(options.Recommended.Authorization)
	if err != nil {
		return err
	}
	generic.Authorization.Authorizer = byNamespace{authorizes}
	generic.Authentication.Authenticator = markProxied(generic.Authentication.Authenticator, generic.Authentication.RequestHeaderConfig)
	host, err := kubernetes.NewForConfig(generic.ClientConfig)
	if err != nil {
		return fmt.Errorf("build the client of the host: %w", err)
	}
	addresses, err := options.Addresses(host, generic.ClientConfig.Host, options.Namespace)
	if err != nil {
		return err
	}
	config := apiserver.Config{Generic: generic, Extra: apiserver.ExtraConfig{
		Etcd:       client,
		EtcdPrefix: options.Recommended.Etcd.StorageConfig.Prefix,
		SharedEtcd: !options.embedded,

		ReplicasPerBroker: options.ReplicasPerBroker,
		HasQuota:          counted(kafka.Resource("kafkatopics"), generic.SharedInformerFactory.Core().V1().ResourceQuotas().Lister()),
		Host:              storage.ConfigMapRecord{ConfigMaps: host.CoreV1().ConfigMaps(options.Namespace)},
		Gateway:           broker.New(broker.Options{ClientID: "kafka-apiserver", AnswerBytes: heap.AnswerBytes()}),
		Secrets:           target.HostSecrets{Client: host.CoreV1()},
		Addresses:         addresses,
		Clock:             clock.RealClock{},
		Metrics:           loops,
	}}
	server, err := config.Complete().New()
	if err != nil {
		return err
	}
	tuner := heap.Tuner{Headroom: heapHeadroom, Clock: clock.RealClock{}}
	if err := server.Generic.AddPostStartHook("heap-tuner", hook(tuner.Run)); err != nil {
		return err
	}
	if err := server.Generic.AddPostStartHook("external-addresses", hook(addresses.Run)); err != nil {
		return err
	}
	if etcd != nil {
		tend := func(ctx context.Context) { etcd.Tend(ctx, client, clock.RealClock{}) }
		if err := server.Generic.AddPostStartHook("etcd-space", hook(tend)); err != nil {
			return err
		}
	}
	if certificate != nil {
		if err := server.Generic.AddPostStartHook("serving-certificate", hook(certificate.Run)); err != nil {
			return err
		}
	}
	if err := server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// prepareCertificate makes the server's own certificate, unless one is given.
func (o *Options) prepareCertificate(ctx context.Context, loops *loopmetrics.Metrics) (*servingcert.Provider, error) {
	if o.Recommended.SecureServing.ServerCert.CertKey.CertFile != "" {
		return nil, nil
	}
	config, err := o.hostConfig()
	if err != nil {
		return nil, err
	}
	host, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("build the client of the host: %w", err)
	}
	aggregation, err := aggregator.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("build the client of the APIServices: %w", err)
	}
	service := o.ServiceName + "." + o.Namespace + ".svc"
	provider := servingcert.New(servingcert.Config{
		Secrets:     host.CoreV1().Secrets(o.Namespace),
		APIServices: aggregation.ApiregistrationV1().APIServices(),
		APIService:  v1beta1.SchemeGroupVersion.Version + "." + v1beta1.GroupName,
		DNSNames:    []string{service, service + ".cluster.local", o.ServiceName + "." + o.Namespace, "localhost"},
		Clock:       clock.RealClock{},
		Metrics:     loops,
	})
	if err := provider.Renew(ctx); err != nil {
		return nil, fmt.Errorf("make the serving certificate: %w", err)
	}
	o.Recommended.SecureServing.ServerCert.GeneratedCert = provider
	return provider, nil
}
