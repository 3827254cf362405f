package kafkaproc

import (
	"fmt"
	"strings"
)

// A Listener is one that brokers have besides PLAINTEXT, which they use among themselves.
type Listener struct {
	// Name is in capitals, such as SCRAM.
	Name string
	// Protocol is SSL, SASL_PLAINTEXT or SASL_SSL.
	Protocol string
	// Config are settings of this listener alone, without their prefix, such as sasl.enabled.mechanisms.
	Config map[string]string
	// Advertised are what the brokers advertise in place of their own addresses, one a broker: those of proxies before them.
	Advertised []string
}

// BootstrapAt returns the addresses (host:port) of all brokers, running or not, at a listener of Options.
func (c *Cluster) BootstrapAt(listener string) []string {
	var addresses []string
	for _, b := range c.Brokers {
		addresses = append(addresses, b.listeners[listener])
	}
	return addresses
}

// listenerPorts is how many ports the listeners of so many brokers need.
func listenerPorts(listeners []Listener, brokers int) int { return len(listeners) * brokers }

// listenersOf gives each listener of a broker its address. ports are those of the brokers one after the other.
func listenersOf(listeners []Listener, broker int, ports []int) map[string]string {
	addresses := map[string]string{}
	for i, l := range listeners {
		addresses[l.Name] = address(ports[broker*len(listeners)+i])
	}
	return addresses
}

// addListeners adds listeners to the configuration of a broker, which has PLAINTEXT.
func addListeners(properties map[string]string, listeners []Listener, broker int, addresses map[string]string) {
	if len(listeners) == 0 {
		return
	}
	protocols := []string{"PLAINTEXT:PLAINTEXT"}
	if had := properties["listener.security.protocol.map"]; had != "" {
		protocols = []string{had}
	}
	for _, l := range listeners {
		advertised := addresses[l.Name]
		if l.Advertised != nil {
			advertised = l.Advertised[broker]
		}
		properties["listeners"] += fmt.Sprintf(",%s://%s", l.Name, addresses[l.Name])
		properties["advertised.listeners"] += fmt.Sprintf(",%s://%s", l.Name, advertised)
		protocols = append(protocols, l.Name+":"+l.Protocol)
		for key, value := range l.Config {
			properties["listener.name."+strings.ToLower(l.Name)+"."+key] = value
		}
	}
	properties["listener.security.protocol.map"] = strings.Join(protocols, ",")
}
