package validation

import (
	"math"
	"regexp"
)

// Bounds that the OpenAPI documents publish as well: pkg/apiserver reads them from here.
const (
	// MaxBrokers is where ZooKeeper mode's generated broker ids begin (reserved.broker.max.id).
	MaxBrokers = 1000
	// MaxReplicas is the largest number of replicas of a partition that fits Kafka's requests.
	MaxReplicas = math.MaxInt16
	// MaxTopicName is Kafka's limit in characters (org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH): the name
	// is part of a folder's name on the brokers.
	MaxTopicName = 249
	// MaxRecords bounds the records of one request.
	MaxRecords = 10000
	// MaxCABundle bounds the certificates in an object; a public list of authorities has 200 KB.
	MaxCABundle = 256 << 10
	// AllRecords is the beforeOffset of a truncation that stands for the end of the partition.
	AllRecords = -1

	// TopicNamePattern are the characters of Kafka's topic names (org.apache.kafka.common.internals.Topic.LEGAL_CHARS).
	TopicNamePattern = `^[a-zA-Z0-9._-]+$`
	// TopicIDPattern is how Kafka writes the 16 bytes of a topic's id: in base64 for URLs, without padding.
	TopicIDPattern = `^[A-Za-z0-9_-]{22}$`
	// JVMOptionPattern is one option of the java command: a start script passes it on unquoted.
	JVMOptionPattern = "^-[^ \\t\\r\\n'\"`$\\\\;&|<>]*$"
)

// QuorumSizes are the numbers of controllers, or of ZooKeeper's members.
var QuorumSizes = []int32{1, 3, 5}

var (
	topicName = regexp.MustCompile(TopicNamePattern)
	topicID   = regexp.MustCompile(TopicIDPattern)
	jvmOption = regexp.MustCompile(JVMOptionPattern)
)
