package v1beta1

// SetDefaults_KafkaTopicElectionSpec elects preferred leaders unless the user says otherwise.
func SetDefaults_KafkaTopicElectionSpec(spec *KafkaTopicElectionSpec) {
	if spec.Type == "" {
		spec.Type = ElectPreferred
	}
}
