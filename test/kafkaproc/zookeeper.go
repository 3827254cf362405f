package kafkaproc

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ZooKeeperOptions say what cluster StartZooKeeper makes. Only Dir is required.
type ZooKeeperOptions struct {
	Version string // Version3 if empty
	// Servers is the size of the ensemble: 1 if 0.
	Servers int
	// Brokers is the number of brokers: 1 if 0.
	Brokers int
	// Dir keeps everything: configuration, data and logs. A folder of an earlier cluster starts that one again, on its
	// ports.
	Dir string
	// HeapMiB is the heap of each broker: 320 if 0. A ZooKeeper gets 96.
	HeapMiB int
	// Config is added to every server.properties, and wins over what this package chose.
	Config map[string]string
	// Listeners are those besides PLAINTEXT.
	Listeners []Listener
}

// StartZooKeeper starts a ZooKeeper ensemble and Kafka brokers on loopback and returns when every broker answers and
// knows all the others. The ensemble allows dynamic reconfiguration and every four-letter command. The caller must Close
// the cluster.
func StartZooKeeper(ctx context.Context, o ZooKeeperOptions) (*Cluster, error) {
	if o.Version == "" {
		o.Version = Version3
	}
	if o.Servers == 0 {
		o.Servers = 1
	}
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	if o.HeapMiB == 0 {
		o.HeapMiB = 320
	}
	if o.Dir == "" || o.Servers < 0 || o.Servers%2 == 0 || o.Brokers < 0 {
		return nil, fmt.Errorf("starting Kafka: need a folder, an odd number of ZooKeeper servers and brokers, have %q, %d and %d", o.Dir, o.Servers, o.Brokers)
	}
	c, err := startZooKeeper(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("starting %d ZooKeeper servers and %d brokers in %s: %w", o.Servers, o.Brokers, o.Dir, err)
	}
	return c, nil
}

func startZooKeeper(ctx context.Context, o ZooKeeperOptions) (*Cluster, error) {
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
	ports, err := claimPorts(o.Dir, 3*o.Servers+o.Brokers+listenerPorts(o.Listeners, o.Brokers))
	if err != nil {
		return nil, err
	}
	c := &Cluster{distribution: distribution}
	servers, brokers := ports[:3*o.Servers], ports[3*o.Servers:]
	for i := range o.Servers {
		p, err := zooKeeperServer(distribution, o, i, servers)
		if err != nil {
			return nil, err
		}
		c.ZooKeeper = append(c.ZooKeeper, p)
	}
	for i := range o.Brokers {
		dir := filepath.Join(o.Dir, "broker-"+strconv.Itoa(i))
		file := filepath.Join(dir, "server.properties")
		listeners := listenersOf(o.Listeners, i, brokers[o.Brokers:])
		if err := writeProperties(file, zooKeeperBroker(o, dir, i, servers, brokers[i], listeners)); err != nil {
			return nil, err
		}
		addr := address(brokers[i])
		args := append([]string{"java"}, jvmFlags(o.HeapMiB)...)
		args = append(args, distribution.LoggingFlag(), "-cp", distribution.Libs(), "kafka.Kafka", file)
		c.Brokers = append(c.Brokers, &Process{
			ID: i, Addr: addr, Dir: dir, args: args, listeners: listeners,
			ready: func(ctx context.Context) error { return brokersKnown(ctx, addr, o.Brokers) },
		})
	}
	if err := start(ctx, c.ZooKeeper); err != nil {
		return nil, err
	}
	if err := start(ctx, c.Brokers); err != nil {
		_ = closeAll(c.ZooKeeper, (*Process).Kill) // the error above is the one to tell
		return nil, err
	}
	return c, nil
}

// zooKeeperServer lays out one member. ports are three a member: for clients, peers and elections.
func zooKeeperServer(d Distribution, o ZooKeeperOptions, i int, ports []int) (*Process, error) {
	dir := filepath.Join(o.Dir, "zookeeper-"+strconv.Itoa(i+1))
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of ZooKeeper server %d: %w", i+1, err)
	}
	if err := os.WriteFile(filepath.Join(data, "myid"), []byte(strconv.Itoa(i+1)), 0o644); err != nil {
		return nil, fmt.Errorf("laying out ZooKeeper server %d: %w", i+1, err)
	}
	file := filepath.Join(dir, "zoo.cfg")
	// The members rewrite both files when the ensemble is reconfigured, so they are written only once.
	if _, err := os.Stat(file); err != nil {
		dynamic := filepath.Join(dir, "zoo.cfg.dynamic")
		members := map[string]string{}
		for m := range o.Servers {
			members["server."+strconv.Itoa(m+1)] = fmt.Sprintf("%s:%d:%d:participant;%s", loopback, ports[3*m+1], ports[3*m+2], address(ports[3*m]))
		}
		if err := writeProperties(dynamic, members); err != nil {
			return nil, err
		}
		err := writeProperties(file, map[string]string{
			"tickTime": "1000", "initLimit": "20", "syncLimit": "10",
			"dataDir":                 data,
			"dynamicConfigFile":       dynamic,
			"admin.enableServer":      "false",
			"standaloneEnabled":       "false",
			"reconfigEnabled":         "true",
			"4lw.commands.whitelist":  "*",
			"maxClientCnxns":          "0",
			"autopurge.purgeInterval": "0",
			"minSessionTimeout":       "2000",
			"maxSessionTimeout":       "60000",
		})
		if err != nil {
			return nil, err
		}
	}
	addr := address(ports[3*i])
	args := append([]string{"java"}, jvmFlags(96)...)
	args = append(args, d.LoggingFlag(), "-cp", d.Libs(), "org.apache.zookeeper.server.quorum.QuorumPeerMain", file)
	return &Process{
		ID: i + 1, Addr: addr, Dir: dir, args: args,
		ready: func(ctx context.Context) error { return zooKeeperServes(ctx, addr) },
	}, nil
}

func zooKeeperBroker(o ZooKeeperOptions, dir string, i int, servers []int, port int, listeners map[string]string) map[string]string {
	var connect []string
	for m := range o.Servers {
		connect = append(connect, address(servers[3*m]))
	}
	properties := map[string]string{
		"broker.id":            strconv.Itoa(i),
		"zookeeper.connect":    strings.Join(connect, ","),
		"listeners":            "PLAINTEXT://" + address(port),
		"advertised.listeners": "PLAINTEXT://" + address(port),
	}
	addListeners(properties, o.Listeners, i, listeners)
	maps.Copy(properties, commonProperties(dir, strconv.Itoa(min(o.Brokers, 3))))
	maps.Copy(properties, o.Config)
	return properties
}
