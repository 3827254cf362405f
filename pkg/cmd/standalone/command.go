// Package standalone is the command "kafka-apiserver standalone": API server and
// topic controller in one process on loopback, without any Kubernetes.
package standalone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

const (
	// EtcdFolder is where the embedded etcd is in the data folder.
	EtcdFolder = "etcd"
	// kafkaName and kafkaNamespace are the Kafka object for --bootstrap-servers.
	kafkaName      = "local"
	kafkaNamespace = "default"
)

// NewCommand builds the command.
func NewCommand() *cobra.Command {
	options := NewOptions()
	cmd := &cobra.Command{
		Use:   "standalone",
		Short: "Serve the API on loopback, without Kubernetes",
		Long: `Serve the kafka.openshift.io API on 127.0.0.1 for a Kafka that runs elsewhere,
without Kubernetes: any namespace is accepted, and whoever has the token in the
kubeconfig may do everything. For development; it listens nowhere else.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.Validate(); err != nil {
				return err
			}
			return Run(cmd.Context(), options)
		},
	}
	options.AddFlags(cmd.Flags())
	return cmd
}

// Run serves until ctx ends.
func Run(ctx context.Context, options *Options) error {
	// First, so that a port that is taken is told at once and not when a storage has started.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port)))
	if err != nil {
		return fmt.Errorf("--port %d: %w", options.Port, err)
	}
	// A server that runs closes it of its own.
	defer func() { _ = listener.Close() }()
	if options.Machine != nil {
		heap.Start(ctx, options.Machine)
	}
	etcd, err := storage.StartEmbedded(ctx, filepath.Join(options.DataDir, EtcdFolder))
	if err != nil {
		return err
	}
	defer etcd.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-etcd.Err():
			cancel(fmt.Errorf("the embedded etcd failed: %w", err))
		case <-ctx.Done():
		}
	}()
	token := rand.Text()
	generic, err := genericConfig(options, listener, etcd.Endpoint(), token)
	if err != nil {
		return err
	}
	transport := options.etcdOptions(etcd.Endpoint()).StorageConfig.Transport
	client, err := storage.NewClient(transport)
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
	gateway := broker.New(broker.Options{ClientID: "kafka-apiserver", AnswerBytes: heap.AnswerBytes()})
	server, err := (&apiserver.Config{Generic: generic, Extra: apiserver.ExtraConfig{
		ReplicasPerBroker: options.ReplicasPerBroker,
		Etcd:              client, EtcdPrefix: apiserver.EtcdPrefix, Host: storage.FileRecord(filepath.Join(options.DataDir, "storage-identity")),
		Gateway: gateway, Clock: clock.RealClock{}, Metrics: loops,
	}}).Complete().New()
	if err != nil {
		return err
	}
	tend := func(ctx context.Context) { etcd.Tend(ctx, client, clock.RealClock{}) }
	if err := options.addHooks(server, gateway, loops, tend, "https://"+listener.Addr().String(), token); err != nil {
		return err
	}
	if err := server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (o *Options) etcdOptions(endpoint string) *genericoptions.EtcdOptions {
	recommended := genericoptions.NewRecommendedOptions(apiserver.EtcdPrefix, apiserver.Codecs.LegacyCodec(v1beta1.SchemeGroupVersion))
	recommended.Etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(v1beta1.SchemeGroupVersion,
		schema.GroupKind{Group: v1beta1.GroupName})
	recommended.Etcd.StorageConfig.Transport.ServerList = []string{endpoint}
	return recommended.Etcd
}

// genericConfig is a server on loopback for one user, who holds the token.
func genericConfig(options *Options, listener net.Listener, endpoint, token string) (*genericapiserver.RecommendedConfig, error) {
	config := apiserver.NewRecommendedConfig()
	run := genericoptions.NewServerRunOptions()
	if err := run.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	// Nothing queues here: what is above the bound is refused. The controllers of clusters that return together write at once.
	run.MaxMutatingRequestsInFlight += loop.DefaultSyncs
	if err := run.Complete(); err != nil {
		return nil, err
	}
	if err := run.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	if err := options.etcdOptions(endpoint).ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.BindAddress = net.IPv4(127, 0, 0, 1)
	serving.Listener, serving.BindPort = listener, listener.Addr().(*net.TCPAddr).Port
	serving.ServerCert.CertDirectory = filepath.Join(options.DataDir, "certificates")
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{serving.BindAddress}); err != nil {
		return nil, fmt.Errorf("make the serving certificate: %w", err)
	}
	if err := serving.ApplyToConfig(&config.Config); err != nil {
		return nil, err
	}
	tokens := tokenfile.New(map[string]*user.DefaultInfo{token: {Name: "developer", Groups: []string{user.SystemPrivilegedGroup}}})
	config.Authentication.Authenticator = authenticator.Request(group.NewAuthenticatedGroupAdder(bearertoken.New(tokens)))
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	return config, nil
}

func (o *Options) addHooks(server *apiserver.Server, gateway *broker.Gateway, loops *loopmetrics.Metrics, tend func(context.Context), url, token string) error {
	client, err := versioned.NewForConfig(server.Generic.LoopbackClientConfig)
	if err != nil {
		return fmt.Errorf("build the loopback client: %w", err)
	}
	hooks := map[string]func(context.Context) error{
		"kubeconfig":  func(context.Context) error { return o.writeKubeconfig(url, token) },
		"etcd-space":  func(ctx context.Context) error { go tend(ctx); return nil },
		"local-kafka": func(ctx context.Context) error { return o.ensureKafka(ctx, client) },
	}
	if o.Controllers {
		set, err := controllers.New(controllers.Config{Kafka: client, Gateway: gateway, Metrics: loops, ReplicasPerBroker: o.ReplicasPerBroker})
		if err != nil {
			return fmt.Errorf("build the controllers: %w", err)
		}
		hooks["controllers"] = func(ctx context.Context) error {
			go set.Run(ctx)
			return nil
		}
	}
	for name, run := range hooks {
		if err := server.Generic.AddPostStartHook(name, func(hook genericapiserver.PostStartHookContext) error {
			return run(hook)
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig lets kubectl find the server.
func (o *Options) writeKubeconfig(url, token string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["standalone"] = &clientcmdapi.Cluster{
		Server:               url,
		CertificateAuthority: filepath.Join(o.DataDir, "certificates", "apiserver.crt"),
	}
	config.AuthInfos["developer"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["standalone"] = &clientcmdapi.Context{Cluster: "standalone", AuthInfo: "developer", Namespace: kafkaNamespace}
	config.CurrentContext = "standalone"
	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return fmt.Errorf("put the certificate into the kubeconfig: %w", err)
	}
	if err := clientcmd.WriteToFile(*config, o.KubeconfigOut); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}

// ensureKafka makes the Kafka object name the brokers that were given.
func (o *Options) ensureKafka(ctx context.Context, client versioned.Interface) error {
	if len(o.BootstrapServers) == 0 {
		return nil
	}
	kafkas := client.KafkaV1beta1().Kafkas(kafkaNamespace)
	// The storages may take a moment until they serve.
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		current, err := kafkas.Get(ctx, kafkaName, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = kafkas.Create(ctx, &v1beta1.Kafka{
				ObjectMeta: metav1.ObjectMeta{Name: kafkaName},
				Spec:       v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: o.BootstrapServers}},
			}, metav1.CreateOptions{})
		case err == nil && (current.Spec.External == nil || !slices.Equal(current.Spec.External.BootstrapServers, o.BootstrapServers)):
			current.Spec = v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: o.BootstrapServers}}
			_, err = kafkas.Update(ctx, current, metav1.UpdateOptions{})
		}
		if apierrors.IsInvalid(err) {
			return false, err
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("make the Kafka %s/%s: %w", kafkaNamespace, kafkaName, err)
	}
	return nil
}
