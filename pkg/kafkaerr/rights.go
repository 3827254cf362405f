package kafkaerr

// Right is the right that an account lacks on the brokers when these refuse an operation to it, in the words of Kafka's ACLs
// (https://kafka.apache.org/documentation/#operations_resources_and_protocols); "" of other errors.
func Right(e *Error) string {
	if ClassOf(e.Code) != Account {
		return ""
	}
	if e.Code == TopicAuthorizationFailed && (e.Op == OpDescribeGroup || e.Op == OpFetchOffsets) {
		return "Describe on the topics of the group"
	}
	if right := rights[e.Op]; right != "" {
		return right
	}
	return map[int16]string{
		TopicAuthorizationFailed:   "a right on the topic",
		GroupAuthorizationFailed:   "a right on the group",
		ClusterAuthorizationFailed: "a right on the cluster",
	}[e.Code]
}

// The operations that brokers are asked for, as errors name them in Op.
const (
	OpCreateTopic          = "create topic"
	OpCreatePartitions     = "create partitions"
	OpDeleteTopic          = "delete topic"
	OpAlterConfig          = "alter configuration"
	OpDescribeConfig       = "describe configuration"
	OpDescribeBrokerConfig = "describe the configuration of a broker"
	OpDescribeTopic        = "describe topic"
	OpDescribeTopics       = "describe topics"
	OpListTopics           = "list topics"
	OpDescribePartitions   = "describe partitions"
	OpListOffsets          = "list offsets"
	OpDeleteRecords        = "delete records"
	OpDescribeLogDirs      = "describe log dirs"
	OpDescribeCluster      = "describe cluster"
	OpDescribeQuorum       = "describe quorum"
	OpUnregisterBroker     = "unregister broker"
	OpElectLeaders         = "elect leaders"
	OpReassignPartitions   = "reassign partitions"
	OpListReassignments    = "list reassignments"
	OpProduce              = "produce"
	OpGetProducerID        = "get a producer id"
	OpRead                 = "read records"
	OpListGroups           = "list groups"
	OpDescribeGroup        = "describe group"
	OpFindCoordinator      = "find the coordinator of group"
	OpFetchOffsets         = "fetch the offsets of group"
	OpCommitOffsets        = "commit offsets of group"
)

// rights are what brokers ask of an account for an operation (kafka.server.KafkaApis, ControllerApis and AclApis).
var rights = map[string]string{
	OpCreateTopic:          "Create on the topic or on the cluster",
	OpCreatePartitions:     "Alter on the topic",
	OpDeleteTopic:          "Delete on the topic",
	OpAlterConfig:          "AlterConfigs on the topic",
	OpDescribeConfig:       "DescribeConfigs on the topic",
	OpDescribeBrokerConfig: "DescribeConfigs on the cluster",
	OpDescribeTopic:        "Describe on the topic",
	OpDescribeTopics:       "Describe on the topic",
	OpDescribePartitions:   "Describe on the topic",
	OpListOffsets:          "Describe on the topic",
	OpDeleteRecords:        "Delete on the topic",
	OpDescribeLogDirs:      "Describe on the cluster",
	OpDescribeCluster:      "Describe on the cluster",
	OpDescribeQuorum:       "Describe on the cluster",
	OpUnregisterBroker:     "Alter on the cluster",
	OpElectLeaders:         "Alter on the cluster",
	OpReassignPartitions:   "Alter on the cluster",
	OpListReassignments:    "Describe on the cluster",
	OpProduce:              "Write on the topic",
	OpGetProducerID:        "Write on a topic or IdempotentWrite on the cluster, which brokers before 2.8 need",
	OpRead:                 "Read on the topic",
	OpListGroups:           "Describe on the group or on the cluster",
	OpDescribeGroup:        "Describe on the group",
	OpFindCoordinator:      "Describe on the group",
	OpFetchOffsets:         "Describe on the group and on its topics",
	OpCommitOffsets:        "Read on the group and on its topics",
}
