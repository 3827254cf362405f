package standalone

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	options := NewOptions()
	flags := pflag.NewFlagSet("standalone", pflag.ContinueOnError)
	options.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return options
}

func TestDefaultsAreValid(t *testing.T) {
	if err := parse(t).Validate(); err != nil {
		t.Error(err)
	}
	if n := parse(t).ReplicasPerBroker; n != topics.DefaultReplicasPerBroker {
		t.Errorf("a broker takes %d replicas", n)
	}
	if n := parse(t, "--replicas-per-broker=7").ReplicasPerBroker; n != 7 {
		t.Errorf("a broker takes %d replicas, want 7", n)
	}
	if err := parse(t, "--bootstrap-servers=a:9092,b:9092", "--bootstrap-servers=[::1]:9092").Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReturnsAllErrors(t *testing.T) {
	err := parse(t, "--data-dir=", "--kubeconfig-out=", "--port=65536", "--bootstrap-servers=kafka.example.com").Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{"--data-dir", "--kubeconfig-out", "--port", "--bootstrap-servers", "kafka.example.com"} {
		if !strings.Contains(err.Error(), flag) {
			t.Errorf("the error does not name %s: %v", flag, err)
		}
	}
}

// Whoever has the token may do everything, so there is no way to let others connect.
func TestThereIsNoAddressToListenOn(t *testing.T) {
	flags := pflag.NewFlagSet("standalone", pflag.ContinueOnError)
	NewOptions().AddFlags(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if strings.Contains(flag.Name, "address") || strings.Contains(flag.Name, "bind") {
			t.Errorf("there is --%s", flag.Name)
		}
	})
}
