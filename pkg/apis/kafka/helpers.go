package kafka

// ClusterNamespace is the namespace of the Kafka that hosts the topic: the
// reference's own, or the topic's when it names none.
func (t *KafkaTopic) ClusterNamespace() string {
	if t.Spec.ClusterRef.Namespace != "" {
		return t.Spec.ClusterRef.Namespace
	}
	return t.Namespace
}

// DefaultTopicName is the name on the brokers of a topic that chooses none: in the
// Kafka's own namespace the object's name, and <namespace>.<name> in any other, so
// that no tenant can take another's topic.
func (t *KafkaTopic) DefaultTopicName() string {
	if t.ClusterNamespace() == t.Namespace {
		return t.Name
	}
	return t.Namespace + "." + t.Name
}

// TopicName is the topic's name on the brokers.
func (t *KafkaTopic) TopicName() string {
	if t.Spec.TopicName != "" {
		return t.Spec.TopicName
	}
	return t.DefaultTopicName()
}

// Mode says who keeps the cluster's metadata.
func (k *Kafka) Mode() ClusterMode {
	switch {
	case k.Spec.External != nil:
		return ModeExternal
	case k.Spec.ZooKeeper != nil:
		return ModeZooKeeper
	case k.Spec.Controllers != nil:
		return ModeDedicated
	default:
		return ModeCombined
	}
}
