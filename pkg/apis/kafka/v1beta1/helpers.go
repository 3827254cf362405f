package v1beta1

// ClusterNamespace is the namespace of the Kafka that hosts the topic.
func ClusterNamespace(topic *KafkaTopic) string {
	if topic.Spec.ClusterRef.Namespace != "" {
		return topic.Spec.ClusterRef.Namespace
	}
	return topic.Namespace
}

// TopicName is the topic's name on the brokers. The rule keeps tenants apart: without the right to choose a name, an object in
// another namespace than the Kafka's can only ever mean a topic that begins with its own namespace.
func TopicName(topic *KafkaTopic) string {
	switch {
	case topic.Spec.TopicName != "":
		return topic.Spec.TopicName
	case ClusterNamespace(topic) == topic.Namespace:
		return topic.Name
	default:
		return topic.Namespace + "." + topic.Name
	}
}
