package controllers

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	fakediscovery "k8s.io/client-go/discovery/fake"
	hostfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/places"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/serve"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
)

func TestValidateSaysAllThatIsWrong(t *testing.T) {
	if err := NewOptions().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := (&Options{
		BindAddress: "8081", TopicWorkers: -1, RunAsUser: "root", Options: places.Options{AllowExternalAddresses: []string{"10.0.0.0/33"}, DenyExternalAddresses: []string{"node1"}},
		KafkaImages: map[string]string{"1.0": "x", "4.3.1": ""},
	}).Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"--namespace", "--bind-address", "--topic-workers", "--run-as-user", "--allow-external-addresses", "--deny-external-addresses", "--service-name", `"1.0"`, "no image for release 4.3.1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("does not say %s: %v", want, err)
		}
	}
}

// What the API server refuses at once the controllers do not carry out later.
func TestTheControllersTakeAsManyReplicasABroker(t *testing.T) {
	options := NewOptions()
	flags := pflag.NewFlagSet("controllers", pflag.ContinueOnError)
	options.AddFlags(flags)
	if options.ReplicasPerBroker != serve.NewOptions().ReplicasPerBroker {
		t.Errorf("the default is %d", options.ReplicasPerBroker)
	}
	if err := flags.Parse([]string{"--replicas-per-broker=7"}); err != nil || options.ReplicasPerBroker != 7 {
		t.Errorf("%d, %v", options.ReplicasPerBroker, err)
	}
}

func TestRunAsUser(t *testing.T) {
	openShift := []*metav1.APIResourceList{{GroupVersion: "security.openshift.io/v1"}}
	for _, tc := range []struct {
		name      string
		option    string
		resources []*metav1.APIResourceList
		want      *int64
	}{
		{"elsewhere the image's user", "auto", nil, ptr.To[int64](1000)},
		{"OpenShift chooses itself", "auto", openShift, nil},
		{"the platform chooses", "platform", nil, nil},
		{"a number wins", "1234", openShift, ptr.To[int64](1234)},
	} {
		host := &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: tc.resources}}
		got, err := (&Options{RunAsUser: tc.option}).runAsUser(host)
		if err != nil || !ptr.Equal(got, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
}

func TestTheLeaseIsGivenBackWhenTheWorkHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := hostfake.NewClientset()
		holder := func() string {
			lease, err := host.CoordinationV1().Leases("ns").Get(t.Context(), component, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return ptr.Deref(lease.Spec.HolderIdentity, "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		started, ended := make(chan struct{}), make(chan error)
		go func() {
			ended <- lead(ctx, host, "ns", leaderelection.NewLeaderHealthzAdaptor(time.Second), func(ctx context.Context) error {
				close(started)
				<-ctx.Done()
				time.Sleep(5 * time.Second)
				if holder() == "" {
					t.Error("the lease was given back while the work went on")
				}
				return nil
			})
		}()
		<-started
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("error %v", err)
		}
		if h := holder(); h != "" {
			t.Errorf("the lease is still held by %s", h)
		}
	})
}

func TestALostLeaseEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := hostfake.NewClientset()
		var away atomic.Bool
		host.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return away.Load(), nil, errors.New("the API is away")
		})
		started := make(chan struct{})
		ended := make(chan error)
		go func() {
			ended <- lead(t.Context(), host, "ns", leaderelection.NewLeaderHealthzAdaptor(time.Second), func(ctx context.Context) error {
				close(started)
				<-ctx.Done()
				return nil
			})
		}()
		<-started
		away.Store(true)
		if err := <-ended; !errors.Is(err, errLost) {
			t.Errorf("error %v, want %v", err, errLost)
		}
	})
}

func TestAProcessThatNeverLedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := hostfake.NewClientset()
		host.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, errors.New("the API is away")
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := lead(ctx, host, "ns", leaderelection.NewLeaderHealthzAdaptor(time.Second), func(context.Context) error {
			t.Error("worked without the lease")
			return nil
		})
		if err != nil {
			t.Errorf("error %v", err)
		}
	})
}

// Addresses are judged by what our API says of a Kafka, as the API server judges them.
func TestWhichKafkasAreExternal(t *testing.T) {
	kafkas := kafkafake.NewClientset(
		&v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "here"}},
		&v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "theirs"}, Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{}}})
	kafkas.PrependReactor("get", "kafkas", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.(clienttesting.GetAction).GetName() == "away", nil, errors.New("no API server")
	})
	for name, want := range map[string]bool{"here": false, "theirs": true, "missing": false} {
		if is, err := external(kafkas)(t.Context(), types.NamespacedName{Namespace: "streams", Name: name}); is != want || err != nil {
			t.Errorf("%s: %v, %v", name, is, err)
		}
	}
	if _, err := external(kafkas)(t.Context(), types.NamespacedName{Namespace: "streams", Name: "away"}); err == nil {
		t.Error("what cannot be read is taken for what is not there")
	}
}

// Both commands are to be given the same.
func TestTheFlagsOfAddressesAreThoseOfTheServer(t *testing.T) {
	server, ours := pflag.NewFlagSet("serve", pflag.ContinueOnError), pflag.NewFlagSet("controllers", pflag.ContinueOnError)
	serve.NewOptions().AddFlags(server)
	NewOptions().AddFlags(ours)
	for _, name := range []string{"allow-external-addresses", "deny-external-addresses", "service-name"} {
		a, b := server.Lookup(name), ours.Lookup(name)
		if a == nil || b == nil || a.Usage != b.Usage || a.DefValue != b.DefValue {
			t.Errorf("--%s is %+v and %+v", name, a, b)
		}
	}
}
