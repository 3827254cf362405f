package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

const (
	// resolvedFor is how long the addresses of a reserved host are believed, and resolveTimeout bounds the look.
	resolvedFor    = time.Minute
	resolveTimeout = 2 * time.Second
)

// special are addresses that net/netip has no name for.
var special = map[netip.Prefix]string{
	netip.MustParsePrefix("0.0.0.0/8"):           "an address of this host",
	netip.MustParsePrefix("255.255.255.255/32"):  "a broadcast address",
	netip.MustParsePrefix("fd00:ec2::/32"):       "a metadata service",
	netip.MustParsePrefix("fd20:ce::254/128"):    "a metadata service",
	netip.MustParsePrefix("100.100.100.200/32"):  "a metadata service",
	netip.MustParsePrefix("168.63.129.16/32"):    "a metadata service",
	netip.MustParsePrefix("192.0.0.192/32"):      "a metadata service",
	netip.MustParsePrefix("169.254.169.254/32"):  "a metadata service",
	netip.MustParsePrefix("169.254.170.2/32"):    "a metadata service",
	netip.MustParsePrefix("169.254.42.42/32"):    "a metadata service",
	netip.MustParsePrefix("fe80::a9fe:a9fe/128"): "a metadata service",
}

// nat64 are the addresses by which hosts without IPv4 reach those that have nothing else (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// APIServers are the hosts of the Kubernetes that this process is part of: as it is reached, and as pods are told.
func APIServers(url string) []string {
	hosts := []string{os.Getenv("KUBERNETES_SERVICE_HOST")}
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	url, _, _ = strings.Cut(url, "/")
	if host, _, err := net.SplitHostPort(url); err == nil {
		url = host
	}
	return append(hosts, strings.Trim(url, "[]"))
}

// errServer is why the API server is not dialled, errNode why a Kafka that is run here is not.
var (
	errServer = errors.New("it is an API server")
	errNode   = errors.New("it is an address of a cluster that is run here: refer to its Kafka instead")
)

// Places are where external Kafkas may be and where they must not.
type Places struct {
	// Allow are networks, addresses and names of hosts that may be although they are reserved or denied.
	Allow []string
	// Deny are networks and addresses that must not be.
	Deny []string
	// Reserved are the hosts of API servers.
	Reserved []string
}

// Around builds Addresses with what is reserved in the Kubernetes that this process is part of: the API servers at its url, the Services of
// these, of our own and of Kafkas that are run here, and what is behind them, as Addresses.Run watches it. Which Kafkas run no pods has to
// be told by KnowKafkas.
func (p Places) Around(host kubernetes.Interface, url string, api types.NamespacedName, services Services, clock clock.PassiveClock) (*Addresses, error) {
	p.Reserved = APIServers(url)
	a, err := NewAddresses(p, clock)
	if err != nil {
		return nil, err
	}
	for _, service := range []types.NamespacedName{hostAPI, api} {
		a.services = append(a.services, service.Name+"."+service.Namespace+".svc")
	}
	a.endpoints, err = newEndpoints(host, api, services)
	return a, err
}

// Addresses decide where external Kafkas may be. This server dials what whoever makes a Kafka names, and what brokers name, from where it
// is: its own host, the host's network and the API servers are nothing that others could reach.
type Addresses struct {
	allowed, denied []netip.Prefix
	hosts           []string
	// reserved are the hosts of API servers, and services the names of their Services, which endpoints know the addresses of.
	reserved, services []string
	endpoints          *endpoints

	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	clock   clock.PassiveClock

	mu       sync.Mutex
	resolved []netip.Addr
	at       time.Time
}

var _ broker.Addresses = &Addresses{}

// NewAddresses builds Addresses.
func NewAddresses(places Places, clock clock.PassiveClock) (*Addresses, error) {
	a := &Addresses{clock: clock, resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
	for _, host := range places.Reserved {
		if host != "" && !slices.Contains(a.reserved, host) {
			a.reserved = append(a.reserved, host)
		}
	}
	var errs []error
	for _, entry := range places.Allow {
		if network, ok := parseNetwork(entry); ok {
			a.allowed = append(a.allowed, network)
		} else if entry == "" || strings.ContainsAny(entry, "/:*, ") {
			errs = append(errs, fmt.Errorf("--allow-external-addresses: %q is neither a network, such as 10.0.0.0/8, nor an address nor the name of a host", entry))
		} else {
			a.hosts = append(a.hosts, canonical(entry))
		}
	}
	for _, entry := range places.Deny {
		// A name would deny nothing: another one leads to the same place.
		network, ok := parseNetwork(entry)
		if !ok {
			errs = append(errs, fmt.Errorf("--deny-external-addresses: %q is neither a network, such as 10.0.0.0/8, nor an address", entry))
			continue
		}
		a.denied = append(a.denied, network)
	}
	return a, errors.Join(errs...)
}

// KnowKafkas says who tells which Kafkas are external. It is for before the Addresses are used.
func (a *Addresses) KnowKafkas(kafkas Kafkas) {
	if a.endpoints != nil {
		a.endpoints.kafkas = kafkas
	}
}

// Run keeps true what is reserved, until ctx ends.
func (a *Addresses) Run(ctx context.Context) {
	if a.endpoints != nil {
		a.endpoints.run(ctx)
	}
}

// parseNetwork reads a network, or an address as the network of one.
func parseNetwork(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), true
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	ip = ip.WithZone("").Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), true
}

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Host implements broker.Addresses.
func (a *Addresses) Host(name string) bool { return slices.Contains(a.hosts, canonical(name)) }

// IP implements broker.Addresses.
func (a *Addresses) IP(ctx context.Context, ip netip.Addr) error {
	ip = ip.WithZone("").Unmap()
	if nat64.Contains(ip) {
		bytes := ip.As16()
		ip = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if slices.ContainsFunc(a.allowed, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	if what := kindOf(ip); what != "" {
		return fmt.Errorf("it is %s, which --allow-external-addresses does not name", what)
	}
	for _, network := range a.denied {
		if network.Contains(ip) {
			return fmt.Errorf("--deny-external-addresses names %s", network)
		}
	}
	if slices.Contains(a.servers(ctx), ip) {
		return errServer
	}
	return a.endpoints.judge(ctx, ip)
}

// Literal judges the host of a bootstrap address before anything is stored or resolved; nil when it may be, or when it is a name that
// only resolving tells more of.
func (a *Addresses) Literal(ctx context.Context, host string) error {
	if a.Host(host) {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return a.IP(ctx, ip)
	}
	if slices.ContainsFunc(slices.Concat(a.reserved, a.services), func(server string) bool { return canonical(server) == canonical(host) }) {
		return errServer
	}
	// RFC 6761: these never leave the host.
	if name := canonical(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return a.IP(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

func kindOf(ip netip.Addr) string {
	for prefix, what := range special {
		if prefix.Contains(ip) {
			return what
		}
	}
	switch {
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsUnspecified():
		return "an address of this host"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case ip.IsMulticast():
		return "a multicast address"
	}
	return ""
}

// servers are the addresses of the API servers as they are now. A name that does not resolve leads nowhere.
func (a *Addresses) servers(ctx context.Context) []netip.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.clock.Now(); a.at.IsZero() || now.Sub(a.at) >= resolvedFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
		defer cancel()
		a.resolved, a.at = nil, now
		for _, host := range a.reserved {
			if ip, err := netip.ParseAddr(host); err == nil {
				a.resolved = append(a.resolved, ip.Unmap())
				continue
			}
			ips, _ := a.resolve(ctx, host)
			for _, ip := range ips {
				a.resolved = append(a.resolved, ip.Unmap())
			}
		}
	}
	return a.resolved
}
