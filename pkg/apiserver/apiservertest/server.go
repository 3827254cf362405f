// Package apiservertest runs the API server inside a test: an embedded etcd, HTTPS on loopback, and kfake clusters as
// brokers. There is no Kubernetes behind it: who may do what, and what admission says, is what the test says.
package apiservertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// startLimit bounds the start of a server, which usually takes a second.
const startLimit = 60 * time.Second

// Options change what Start does. The zero value is usable.
type Options struct {
	// Gateway configures the way to the brokers, except for its Dial. Left out, its timeouts are half as long as in production.
	Gateway *broker.Options
	// Clock is the server's, which the gateway has only if its options name it, too. A new one when nil.
	Clock *Clock
	// Secrets are the host's; nil for a server without a host.
	Secrets target.Secrets
	// Addresses are where external Kafkas may be; nil is anywhere.
	Addresses *target.Addresses
	// Metrics of the server's loops may be nil.
	Metrics *loopmetrics.Metrics
	// Shared says that other servers may use the same etcd. Beside is one of them, whose etcd, clusters and rules this one has, too.
	Shared bool
	Beside *Server
	// KV and Objects wrap the way to etcd of claims, and that of stored objects, so that a test can have it fail. They may be nil.
	KV      func(clientv3.KV) clientv3.KV
	Objects func(apistorage.Interface) apistorage.Interface
}

// Server is a running API server.
type Server struct {
	// Config is a client configuration that may do everything, Client a client of it.
	Config *rest.Config
	Client versioned.Interface
	Etcd   *clientv3.Client
	Claims *storage.Claims
	Clock  *Clock

	endpoint   string
	identity   string
	network    *network
	rules      *rules
	namespaces int
	mu         sync.Mutex
	closers    []func()
}

// Start starts a server. The caller must Close it.
func Start(options Options) (*Server, error) {
	s := &Server{network: newNetwork(), rules: newRules(), Clock: cmp.Or(options.Clock, &Clock{})}
	if first := options.Beside; first != nil {
		s.network, s.rules, s.endpoint, s.identity = first.network, first.rules, first.endpoint, first.identity
	}
	if err := s.start(options); err != nil {
		s.Close()
		return nil, fmt.Errorf("start an API server in a test: %w", err)
	}
	return s, nil
}

// Close stops the server and removes what it stored.
func (s *Server) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *Server) start(options Options) error {
	dir, err := os.MkdirTemp("", "apiservertest-")
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { _ = os.RemoveAll(dir) })
	if s.endpoint == "" {
		etcd, err := storage.StartEmbedded(context.Background(), filepath.Join(dir, "etcd"))
		if err != nil {
			return err
		}
		s.closers = append(s.closers, etcd.Close)
		s.endpoint, s.identity = etcd.Endpoint(), filepath.Join(dir, "identity")
	}
	recommended := genericoptions.NewRecommendedOptions(apiserver.EtcdPrefix, apiserver.Codecs.LegacyCodec(v1beta1.SchemeGroupVersion))
	recommended.Etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(v1beta1.SchemeGroupVersion,
		schema.GroupKind{Group: v1beta1.GroupName})
	recommended.Etcd.StorageConfig.Transport.ServerList = []string{s.endpoint}
	if s.Etcd, err = storage.NewClient(recommended.Etcd.StorageConfig.Transport); err != nil {
		return err
	}
	s.closers = append(s.closers, func() { _ = s.Etcd.Close() })
	if options.KV != nil {
		s.Etcd.KV = options.KV(s.Etcd.KV)
	}
	s.Claims = storage.NewClaims(s.Etcd, apiserver.EtcdPrefix)
	generic, err := s.genericConfig(recommended.Etcd, filepath.Join(dir, "certificates"))
	if err != nil {
		return err
	}
	if options.Objects != nil {
		generic.RESTOptionsGetter = wrapped{generic.RESTOptionsGetter, options.Objects}
	}
	server, err := (&apiserver.Config{Generic: generic, Extra: apiserver.ExtraConfig{
		ReplicasPerBroker: topics.DefaultReplicasPerBroker,
		Etcd:              s.Etcd, EtcdPrefix: apiserver.EtcdPrefix, Host: storage.FileRecord(s.identity), SharedEtcd: options.Shared || options.Beside != nil,
		Gateway: s.gateway(options.Gateway), Secrets: options.Secrets, Addresses: options.Addresses, Clock: s.Clock, Metrics: options.Metrics,
	}}).Complete().New()
	if err != nil {
		return err
	}
	return s.run(server)
}

// globals are set once in a process.
var globals = sync.OnceValue(func() error { return genericoptions.NewServerRunOptions().ComponentGlobalsRegistry.Set() })

func (s *Server) genericConfig(etcd *genericoptions.EtcdOptions, certificates string) (*genericapiserver.RecommendedConfig, error) {
	if err := globals(); err != nil {
		return nil, err
	}
	config := apiserver.NewRecommendedConfig()
	run := genericoptions.NewServerRunOptions()
	if err := run.Complete(); err != nil {
		return nil, err
	}
	if err := run.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	if err := etcd.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.BindAddress = net.IPv4(127, 0, 0, 1)
	serving.Listener, serving.BindPort = listener, listener.Addr().(*net.TCPAddr).Port
	serving.ServerCert.CertDirectory = certificates
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{serving.BindAddress}); err != nil {
		return nil, err
	}
	if err := serving.ApplyToConfig(&config.Config); err != nil {
		return nil, err
	}
	// Nobody but the loopback client logs in; it impersonates everybody else.
	config.Authentication.Authenticator = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return nil, false, nil
	})
	config.Authorization.Authorizer = s.rules.authorizer()
	config.AdmissionControl = s.rules
	return config, nil
}

// gateway gives up sooner than that of production, so that tests of brokers that are away are fast, and late enough for brokers that
// are there on a busy machine.
func (s *Server) gateway(wanted *broker.Options) *broker.Gateway {
	options := broker.Options{ConnectTimeout: 1500 * time.Millisecond, VerdictTimeout: 3 * time.Second, NegativeTTL: 20 * time.Millisecond}
	if wanted != nil {
		options = *wanted
	}
	options.Dial = s.network.dial
	return broker.New(options)
}

func (s *Server) run(server *apiserver.Server) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	s.closers = append(s.closers, func() { cancel(); <-ended })

	s.Config = rest.CopyConfig(server.Generic.LoopbackClientConfig)
	s.Config.QPS = -1
	var err error
	if s.Client, err = versioned.NewForConfig(s.Config); err != nil {
		return err
	}
	deadline := time.After(startLimit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = s.Client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case early := <-ended:
			ended <- early
			return errors.Join(errors.New("the server ended"), early)
		case <-deadline:
			return fmt.Errorf("not ready after %s: %w", startLimit, err)
		}
	}
}
