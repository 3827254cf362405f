package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Addresses decide where the brokers of a target may be: at its bootstrap addresses, and wherever they say that the others are.
type Addresses interface {
	// Host returns true for a host that may be anywhere.
	Host(name string) bool
	// IP returns why nothing is dialled at an address, nil when it may be. That this is not known yet is an ErrAddressUnknown.
	IP(ctx context.Context, ip netip.Addr) error
}

// ErrAddressUnknown says that it is not known whether a broker may be at an address.
var ErrAddressUnknown = errors.New("it is not known whether an address may be that of a broker")

// bounds are the key of a context's Addresses.
type bounds struct{}

// dialTo dials an address within the bounds of a target. They are looked at when the name is resolved, as what a name stands for may be
// another address the next time.
func dialTo(ctx context.Context, dial DialFunc, within Addresses, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); within != nil && (err != nil || !within.Host(host)) {
		ctx = context.WithValue(ctx, bounds{}, within)
	}
	return dial(ctx, network, address)
}

// Dial is the dialer of Options that name none. Those of one's own have to go through it to keep to a target's Addresses.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: 30 * time.Second, ControlContext: withinBounds}).DialContext(ctx, network, address)
}

// withinBounds is called with each address that a name has, before it is dialled.
func withinBounds(ctx context.Context, _, address string, _ syscall.RawConn) error {
	within, ok := ctx.Value(bounds{}).(Addresses)
	if !ok {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err == nil {
		err = within.IP(ctx, at.Addr())
	}
	if err == nil {
		return nil
	}
	reason := kafkaerr.ReasonAddressNotAllowed
	if errors.Is(err, ErrAddressUnknown) {
		reason = kafkaerr.ReasonAddressUnknown
	}
	return &kafkaerr.SecurityError{Reason: reason, Text: fmt.Sprintf("%s is not dialled: %v", address, err)}
}
