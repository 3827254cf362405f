package transport

import "kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"

// ClusterInfo is what DescribeCluster says.
type ClusterInfo struct {
	// ID is Kafka's cluster id.
	ID string
	// ControllerID is the broker that is the controller in ZooKeeper mode, and -1 in KRaft mode, where brokers report a random
	// one of them (ask Quorum for the leader there).
	ControllerID int32
	// KRaft tells whether the cluster runs without ZooKeeper.
	KRaft bool
	// Brokers are sorted by id. Before Kafka 4.0 fenced brokers are not listed at all.
	Brokers []BrokerInfo
	// Authorized is what the account that asked may do on the cluster; nil when it was not asked, or brokers do not tell. Brokers
	// without an authorizer allow all.
	Authorized *kafkaerr.Operations
	// Before28 tells of brokers that do not know DescribeCluster, those before Kafka 2.8.
	Before28 bool
}

// BrokerInfo is one registered broker.
type BrokerInfo struct {
	ID   int32
	Host string
	Port int32
	// Rack is empty when the broker has none.
	Rack string
	// Fenced brokers are registered but not alive (KRaft, Kafka 4.0 and later).
	Fenced bool
}
