// Package controllers is the command "kafka-apiserver controllers": everything that acts on stored objects.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	hostscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// heapHeadroom is how much garbage may pile up.
const heapHeadroom = 24 << 20

// component is how the controllers sign events and requests.
const component = "kafka-controllers"

// NewCommand builds the command.
func NewCommand() *cobra.Command {
	options := NewOptions()
	cmd := &cobra.Command{
		Use:   "controllers",
		Short: "Run Kafkas and KafkaTopics",
		Long: `Run what the objects of the kafka.openshift.io API describe: Kafka clusters on
StatefulSets, and topics that were stored while their brokers were away. Several
may run; the one that holds the lease works.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Complete(cmd.Flags())
			if err := options.Validate(); err != nil {
				return err
			}
			return Run(cmd.Context(), options)
		},
	}
	options.AddFlags(cmd.Flags())
	return cmd
}

// Run works until ctx ends or the lease is lost.
func Run(ctx context.Context, options *Options) error {
	heap.Start(ctx, os.DirFS("/"))
	config, err := clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
	if err != nil {
		return fmt.Errorf("find the Kubernetes API: %w", err)
	}
	// Priority and fairness of the server is the limit.
	config.QPS = -1
	rest.AddUserAgent(config, component)
	p, err := newProcess(config, options)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.BindAddress)
	if err != nil {
		return fmt.Errorf("listen for health and metrics: %w", err)
	}
	watchdog := leaderelection.NewLeaderHealthzAdaptor(leaseDuration)
	server := &http.Server{Handler: serveHealth(watchdog), ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.FromContext(ctx).Error(err, "Health and metrics are not served")
		}
	})
	defer func() {
		if err := server.Close(); err != nil {
			klog.FromContext(ctx).Info("Health and metrics not closed", "err", err)
		}
		serving.Wait()
	}()
	if !options.LeaderElect {
		return p.work(ctx)
	}
	return lead(ctx, p.host, options.Namespace, watchdog, p.work)
}

// serveHealth answers whether the process is alive. It does not depend on our API or on any broker: a restart would mend neither.
func serveHealth(watchdog *leaderelection.HealthzAdaptor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := watchdog.Check(r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("ok"))
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok"))
	})
	mux.Handle("/metrics", legacyregistry.Handler())
	return mux
}

// process is what the controllers share.
type process struct {
	host      kubernetes.Interface
	client    versioned.Interface
	gateway   *broker.Gateway
	metrics   *loopmetrics.Metrics
	runAsUser *int64
	options   *Options
	// addresses are where external Kafkas may be.
	addresses *target.Addresses
}

func newProcess(config *rest.Config, options *Options) (*process, error) {
	// Our own API speaks JSON only.
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("build the client of Kafkas: %w", err)
	}
	hostConfig := rest.CopyConfig(config)
	hostConfig.AcceptContentTypes, hostConfig.ContentType = runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON, runtime.ContentTypeProtobuf
	host, err := kubernetes.NewForConfig(hostConfig)
	if err != nil {
		return nil, fmt.Errorf("build the client of Kubernetes: %w", err)
	}
	user, err := options.runAsUser(host.Discovery())
	if err != nil {
		return nil, err
	}
	metrics, err := loopmetrics.New(registry{})
	if err == nil {
		err = broker.RegisterMetrics(registry{})
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	addresses, err := options.Addresses(host, config.Host, options.Namespace)
	if err != nil {
		return nil, err
	}
	addresses.KnowKafkas(external(client))
	gateway := broker.New(broker.Options{ClientID: component, AnswerBytes: heap.AnswerBytes()})
	return &process{addresses: addresses, host: host, client: client, gateway: gateway, metrics: metrics, runAsUser: user, options: options}, nil
}

// external asks our API whether a Kafka exists and is external.
func external(client versioned.Interface) target.Kafkas {
	return func(ctx context.Context, of types.NamespacedName) (bool, error) {
		kafka, err := client.KafkaV1beta1().Kafkas(of.Namespace).Get(ctx, of.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && kafka.Spec.External != nil, err
	}
}

// work runs the controllers until ctx ends.
func (p *process) work(ctx context.Context) error {
	if err := p.awaitAPI(ctx); err != nil {
		// The only error is that ctx ended.
		return nil
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), hostscheme.AddToScheme(scheme)); err != nil {
		return err
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: p.host.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(scheme, v1beta1.GroupName+"/"+component)

	set, err := controllers.New(controllers.Config{
		Kafka: p.client, Host: p.host, Gateway: p.gateway,
		Targets:         target.NewVerified(target.HostSecrets{Client: p.host.CoreV1()}, clock.RealClock{}).Restrict(p.addresses),
		Recorder:        recorder,
		Images:          p.options.KafkaImages,
		RunAsUser:       p.runAsUser,
		StorageIdentity: types.NamespacedName{Namespace: p.options.Namespace, Name: storage.IdentityConfigMap},
		TopicWorkers:    p.options.TopicWorkers,
		Metrics:         p.metrics,

		ReplicasPerBroker: p.options.ReplicasPerBroker,
	})
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	tuner := heap.Tuner{Headroom: heapHeadroom, Clock: clock.RealClock{}}
	for _, run := range []func(context.Context){p.addresses.Run, p.gateway.Run, set.Run, tuner.Run} {
		running.Go(func() { run(ctx) })
	}
	running.Wait()
	return nil
}

// awaitAPI waits until our API is served. Informers would do so too, but try ever less often, up to every half minute.
func (p *process) awaitAPI(ctx context.Context) error {
	waiting := false
	return wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := p.client.Discovery().ServerResourcesForGroupVersion(v1beta1.SchemeGroupVersion.String())
		if err != nil && !waiting {
			klog.FromContext(ctx).Info("Waiting for the API", "groupVersion", v1beta1.SchemeGroupVersion, "err", err)
			waiting = true
		}
		return err == nil, nil
	})
}
