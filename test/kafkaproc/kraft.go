package kafkaproc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Options say what cluster StartKRaft makes. Only Dir is required.
type Options struct {
	Version string // Version4 if empty
	// Nodes is the number of combined nodes (broker and controller), all of them voters: 1 if 0.
	Nodes int
	// Dir keeps everything: configuration, data and logs. A folder of an earlier cluster starts that one again, on its
	// ports.
	Dir string
	// HeapMiB is the heap of each node: 320 if 0.
	HeapMiB int
	// Config is added to every server.properties, and wins over what this package chose.
	Config map[string]string
	// Listeners are those besides PLAINTEXT.
	Listeners []Listener
	// ControllerDoor, if it is there, is told where the controller of a node listens, and returns the address at which all nodes are to reach
	// it: that of a proxy before it. Voters have it in their metadata, so it is for Version4 and Kafka 3.9.
	ControllerDoor func(node int, address string) (string, error)
}

// identity is what has to stay the same when a KRaft cluster's folder is started again.
type identity struct {
	ClusterID    string   `json:"clusterID"`
	DirectoryIDs []string `json:"directoryIDs"`
}

// StartKRaft starts a KRaft cluster of combined nodes on loopback and returns when every broker answers and knows all
// the others. The caller must Close it.
func StartKRaft(ctx context.Context, o Options) (*Cluster, error) {
	if o.Version == "" {
		o.Version = Version4
	}
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.HeapMiB == 0 {
		o.HeapMiB = 320
	}
	if o.Dir == "" || o.Nodes < 0 || o.Nodes%2 == 0 {
		return nil, fmt.Errorf("starting Kafka: need a folder and an odd number of nodes, have %q and %d", o.Dir, o.Nodes)
	}
	c, err := startKRaft(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("starting a KRaft cluster of %d in %s: %w", o.Nodes, o.Dir, err)
	}
	return c, nil
}

func startKRaft(ctx context.Context, o Options) (*Cluster, error) {
	distribution, err := Provision(ctx, o.Version)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("finding the folder: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	ports, err := claimPorts(o.Dir, 2*o.Nodes+listenerPorts(o.Listeners, o.Nodes))
	if err != nil {
		return nil, err
	}
	id, err := claimIdentity(o.Dir, o.Nodes)
	if err != nil {
		return nil, err
	}
	controllers := make([]string, o.Nodes)
	for node := range o.Nodes {
		controllers[node] = address(ports[o.Nodes+node])
		if o.ControllerDoor == nil {
			continue
		}
		if controllers[node], err = o.ControllerDoor(node, controllers[node]); err != nil {
			return nil, fmt.Errorf("placing a proxy before the controller of node %d: %w", node, err)
		}
	}
	c := &Cluster{ID: id.ClusterID, distribution: distribution}
	for node := range o.Nodes {
		dir := filepath.Join(o.Dir, "node-"+strconv.Itoa(node))
		file := filepath.Join(dir, "server.properties")
		listeners := listenersOf(o.Listeners, node, ports[2*o.Nodes:])
		if err := writeProperties(file, kraftProperties(distribution.release, o, dir, node, ports[:2*o.Nodes], controllers, listeners)); err != nil {
			return nil, err
		}
		addr := address(ports[node])
		args := append([]string{"java"}, jvmFlags(o.HeapMiB)...)
		args = append(args, distribution.LoggingFlag(), "-cp", distribution.Libs(), "kafka.Kafka", file)
		c.Brokers = append(c.Brokers, &Process{
			ID: node, Addr: addr, Dir: dir, args: args, listeners: listeners,
			ready: func(ctx context.Context) error { return brokersKnown(ctx, addr, o.Nodes) },
		})
	}
	var voters []string
	if dynamicQuorum(distribution.release) {
		voters = []string{"--initial-controllers", initialControllers(id, controllers)}
	}
	err = closeAll(c.Brokers, func(p *Process) error { return c.format(ctx, p, voters...) })
	if err != nil {
		return nil, err
	}
	return c, start(ctx, c.Brokers)
}

// dynamicQuorum tells whether the voters of a release are in its metadata. Before, they are in the configuration of all nodes, and their
// addresses are not advertised.
func dynamicQuorum(v release) bool { return !v.before(3, 9) }

// format writes what a node's storage must hold before its first start.
func (c *Cluster) format(ctx context.Context, p *Process, voters ...string) error {
	if _, err := os.Stat(filepath.Join(p.Dir, "data", "meta.properties")); err == nil {
		return nil
	}
	_, err := c.distribution.Tool(ctx, nil, "kafka.tools.StorageTool", append([]string{"format", "--cluster-id", c.ID,
		"--config", filepath.Join(p.Dir, "server.properties")}, voters...)...)
	if err != nil {
		return fmt.Errorf("formatting the storage of node %d: %w", p.ID, err)
	}
	return nil
}

// kraftProperties renders the configuration of one node. ports are those of the brokers, then those of the controllers, which are reached at
// the addresses controllers.
func kraftProperties(v release, o Options, dir string, node int, ports []int, controllers []string, listeners map[string]string) map[string]string {
	replicas := strconv.Itoa(min(o.Nodes, 3))
	properties := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(node),
		"listeners":                      fmt.Sprintf("PLAINTEXT://%s,CONTROLLER://%s", address(ports[node]), address(ports[o.Nodes+node])),
		"advertised.listeners":           "PLAINTEXT://" + address(ports[node]),
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names":      "CONTROLLER",
		// A person or a test waits for each write; the default of 25 ms adds that much to every change of metadata.
		"controller.quorum.append.linger.ms": "0",
	}
	if dynamicQuorum(v) {
		properties["advertised.listeners"] += ",CONTROLLER://" + controllers[node]
		properties["controller.quorum.bootstrap.servers"] = strings.Join(controllers, ",")
	} else {
		var voters []string
		for id, addr := range controllers {
			voters = append(voters, fmt.Sprintf("%d@%s", id, addr))
		}
		properties["controller.quorum.voters"] = strings.Join(voters, ",")
	}
	addListeners(properties, o.Listeners, node, listeners)
	maps.Copy(properties, commonProperties(dir, replicas))
	maps.Copy(properties, o.Config)
	return properties
}

// commonProperties are those of a broker in either mode, for clusters that are small and short-lived.
func commonProperties(dir, replicas string) map[string]string {
	return map[string]string{
		"log.dirs":                                         filepath.Join(dir, "data"),
		"default.replication.factor":                       replicas,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "5",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "5",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            "1",
		"group.initial.rebalance.delay.ms":                 "0",
		// Tests say when a partition's first replica becomes its leader again; brokers would do it by themselves every five minutes.
		"auto.leader.rebalance.enable": "false",
	}
}

// initialControllers is the voter set in the form that StorageTool takes.
func initialControllers(id identity, controllers []string) string {
	var voters []string
	for node, directory := range id.DirectoryIDs {
		voters = append(voters, fmt.Sprintf("%d@%s:%s", node, controllers[node], directory))
	}
	return strings.Join(voters, ",")
}

// claimIdentity returns the identity that dir was made with, or a new one.
func claimIdentity(dir string, nodes int) (identity, error) {
	file := filepath.Join(dir, "identity.json")
	var id identity
	content, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(content, &id); err != nil {
			return id, fmt.Errorf("reading %s: %w", file, err)
		}
		return id, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return id, fmt.Errorf("reading the identity of %s: %w", dir, err)
	}
	id.ClusterID = newUUID()
	for range nodes {
		id.DirectoryIDs = append(id.DirectoryIDs, newUUID())
	}
	if content, err = json.Marshal(id); err != nil {
		return id, fmt.Errorf("encoding an identity: %w", err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return id, fmt.Errorf("keeping the identity of %s: %w", dir, err)
	}
	return id, nil
}

// newUUID returns a random id in Kafka's own notation. Kafka never makes one that starts with a dash, because its tools
// take it for an option.
func newUUID() string {
	for {
		var raw [16]byte
		_, _ = rand.Read(raw[:]) // never fails
		if id := base64.RawURLEncoding.EncodeToString(raw[:]); !strings.HasPrefix(id, "-") {
			return id
		}
	}
}
