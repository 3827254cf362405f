package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// noLoopback is everywhere but here, and here by one name.
type noLoopback struct{ name string }

func (n noLoopback) Host(name string) bool { return name == n.name && name != "" }

func (noLoopback) IP(_ context.Context, ip netip.Addr) error {
	if ip.IsLoopback() {
		return errors.New("no loopback here")
	}
	return nil
}

// unread does not know yet where brokers may be.
type unread struct{}

func (unread) Host(string) bool { return false }

func (unread) IP(context.Context, netip.Addr) error {
	return fmt.Errorf("%w: no loopback here, perhaps", ErrAddressUnknown)
}

// Whatever a name stood for before, it is judged by the address that is about to be dialled, and so are the addresses that brokers
// advertise.
func TestAddressesThatAreNotAllowed(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	_, port, err := net.SplitHostPort(kafka.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	gateway := New(Options{})
	ctx := testContext(t)
	for key, tc := range map[string]struct {
		host   string
		within Addresses
		reason string
	}{
		"ns/literal/1":  {"127.0.0.1", noLoopback{}, kafkaerr.ReasonAddressNotAllowed},
		"ns/resolved/1": {"localhost", noLoopback{}, kafkaerr.ReasonAddressNotAllowed},
		"ns/unread/1":   {"localhost", unread{}, kafkaerr.ReasonAddressUnknown},
		"ns/any/1":      {"localhost", nil, ""},
	} {
		defer gateway.Forget(key)
		c := gateway.Cluster(Target{Key: key, Bootstrap: []string{net.JoinHostPort(tc.host, port)}, Within: tc.within})
		_, err := c.Describe(ctx)
		objections := kafkaerr.SecurityErrors(err)
		switch {
		case tc.reason == "" && err != nil:
			t.Errorf("%s: %v", key, err)
		case tc.reason != "" && (!kafkaerr.IsUnreachable(err) || len(objections) == 0 || objections[0].Reason != tc.reason || !strings.Contains(objections[0].Text, "no loopback here")):
			t.Errorf("%s: %v, %+v", key, err, objections)
		}
	}
	// The bootstrap address is allowed by its name; what the broker there advertises is not.
	defer gateway.Forget("ns/advertised/1")
	c := gateway.Cluster(Target{Key: "ns/advertised/1", Bootstrap: []string{net.JoinHostPort("localhost", port)}, Within: noLoopback{"localhost"}})
	if _, err := c.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	versions, err := c.BrokerVersions(ctx)
	if err != nil || len(versions) != 1 || len(kafkaerr.SecurityErrors(versions[0].Err)) == 0 {
		t.Errorf("%+v, %v", versions, err)
	}
}
