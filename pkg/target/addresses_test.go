package target

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

func newAddresses(t *testing.T, allow ...string) *Addresses {
	t.Helper()
	a, err := NewAddresses(Places{Allow: allow, Reserved: []string{"10.96.0.1", "kubernetes.default.svc", "", "10.96.0.1"}}, clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	a.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "kubernetes.default.svc" {
			return []netip.Addr{netip.MustParseAddr("10.96.0.2")}, nil
		}
		return nil, errors.New("no such host")
	}
	return a
}

func TestAddresses(t *testing.T) {
	a := newAddresses(t)
	for ip, what := range map[string]string{
		"127.0.0.1": "loopback", "127.9.9.9": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "64:ff9b::7f00:1": "loopback",
		"169.254.1.1": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local",
		"0.0.0.0": "this host", "0.1.2.3": "this host", "::": "this host",
		"224.0.0.1": "multicast", "ff02::1": "multicast", "ff05::2": "multicast", "255.255.255.255": "broadcast",
		"169.254.169.254": "metadata", "fd00:ec2::254": "metadata", "64:ff9b::a9fe:a9fe": "metadata", "100.100.100.200": "metadata", "168.63.129.16": "metadata",
		"10.96.0.1": "API server", "10.96.0.2": "API server", "::ffff:10.96.0.1": "API server",
	} {
		if err := a.IP(t.Context(), netip.MustParseAddr(ip)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, want %s", ip, err, what)
		}
		if err := a.Literal(t.Context(), ip); err == nil {
			t.Errorf("%s is a bootstrap address", ip)
		}
	}
	for _, ip := range []string{"10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1", "64:ff9b::808:808"} {
		if err := a.IP(t.Context(), netip.MustParseAddr(ip)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	for host, fine := range map[string]bool{"kafka.example.com": true, "localhost": false, "LocalHost.": false, "a.localhost": false,
		"kubernetes.default.svc": false, "Kubernetes.default.svc.": false} {
		if err := a.Literal(t.Context(), host); (err == nil) != fine {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAPIServers(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	for url, want := range map[string]string{"https://192.0.2.1:6443": "192.0.2.1", "https://[2001:db8::1]:6443/path": "2001:db8::1",
		"https://[2001:db8::1]": "2001:db8::1", "api.example.com": "api.example.com", "": ""} {
		if got := APIServers(url); !slices.Equal(got, []string{"10.96.0.1", want}) {
			t.Errorf("%q: %q", url, got)
		}
	}
}

func TestAllowedAddresses(t *testing.T) {
	a := newAddresses(t, "127.0.0.0/8", "fd00:ec2::254", "Kafka.internal")
	for _, ip := range []string{"127.0.0.1", "::ffff:127.0.0.1", "fd00:ec2::254"} {
		if err := a.IP(t.Context(), netip.MustParseAddr(ip)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	if err := a.IP(t.Context(), netip.MustParseAddr("::1")); err == nil {
		t.Error("::1 was not named")
	}
	if !a.Host("kafka.internal.") || a.Host("other.internal") || a.Literal(t.Context(), "localhost") != nil {
		t.Error("names")
	}
	// What the administrator names counts, also where an API server is.
	beside, err := NewAddresses(Places{Allow: []string{"127.0.0.0/8"}, Reserved: []string{"127.0.0.1"}}, clocktesting.NewFakePassiveClock(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if err := beside.Literal(t.Context(), "127.0.0.1"); err != nil {
		t.Errorf("what the administrator allows beside an API server: %v", err)
	}
	for _, entry := range []string{"10.0.0.0/33", "", "a b", "*.example.com", "host:9092"} {
		if _, err := NewAddresses(Places{Allow: []string{entry}}, nil); err == nil || !strings.Contains(err.Error(), "network") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// What is run here is where its controllers say.
func TestOnlyExternalKafkasAreRestricted(t *testing.T) {
	a := newAddresses(t)
	r := New(nil, clocktesting.NewFakePassiveClock(time.Now())).Restrict(a)
	external := &v1beta1.Kafka{Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"a:1"}}}}
	if at, known := r.Of(external); !known || at.Within == nil {
		t.Errorf("%+v, %t", at, known)
	}
	here := &v1beta1.Kafka{Status: v1beta1.KafkaStatus{Listeners: []v1beta1.ListenerStatus{{Name: "plain", Addresses: []string{"a:1"}}}}}
	if at, known := r.Of(here); !known || at.Within != nil {
		t.Errorf("%+v, %t", at, known)
	}
	if at, _ := New(nil, clocktesting.NewFakePassiveClock(time.Now())).Restrict(nil).Of(external); at.Within != nil {
		t.Errorf("no restriction is one: %+v", at)
	}
}

// What the administrator denies may be allowed in parts.
func TestDeniedAddresses(t *testing.T) {
	a, err := NewAddresses(Places{Allow: []string{"10.1.2.0/24"}, Deny: []string{"10.0.0.0/8", "2001:db8::7"}}, clocktesting.NewFakePassiveClock(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for ip, fine := range map[string]bool{"10.1.1.1": false, "::ffff:10.1.1.1": false, "64:ff9b::a01:101": false, "2001:db8::7": false, "10.1.2.3": true, "192.0.2.1": true, "2001:db8::8": true} {
		if err := a.Literal(t.Context(), ip); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "--deny-external-addresses names") {
			t.Errorf("%s: %v", ip, err)
		}
	}
	for _, entry := range []string{"", "nodes.example.com", "10.0.0.0/33", "10.0.0.1:443"} {
		if _, err := NewAddresses(Places{Deny: []string{entry}}, nil); err == nil || !strings.Contains(err.Error(), "--deny-external-addresses") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
