package v1beta1

// SetDefaults_KafkaTopicElectionSpec elects preferred leaders unless the user says otherwise.
func SetDefaults_KafkaTopicElectionSpec(spec *KafkaTopicElectionSpec) {
	if spec.Type == "" {
		spec.Type = ElectPreferred
	}
}

// noTopicID is how earlier releases wrote that brokers, before Kafka 2.8, gave a topic no id.
const noTopicID = "AAAAAAAAAAAAAAAAAAAAAA"

// SetDefaults_KafkaTopicStatus has no id where there is none.
func SetDefaults_KafkaTopicStatus(status *KafkaTopicStatus) {
	for _, id := range []*string{&status.TopicID, &status.ReplacementID} {
		if *id == noTopicID {
			*id = ""
		}
	}
}
