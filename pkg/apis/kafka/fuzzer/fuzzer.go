// Package fuzzer fills the kafka.openshift.io kinds with random content that
// defaulting leaves alone, for round-trip tests.
package fuzzer

import (
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/randfill"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// Funcs are the fill functions of this group.
func Funcs(serializer.CodecFactory) []any {
	return []any{
		func(s *kafka.KafkaSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Version = "4.3.1"
		},
		func(s *kafka.BrokersSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Replicas = ptr.To(c.Int31())
		},
		func(s *kafka.ControllersSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Replicas = ptr.To(c.Int31())
		},
		func(s *kafka.ZooKeeperSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Replicas = ptr.To(c.Int31())
		},
		func(s *kafka.StorageSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Type = kafka.Ephemeral
		},
		func(s *kafka.SecretKeyReference, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Key = "ca.crt"
		},
		func(s *kafka.ExternalAuthentication, c randfill.Continue) {
			c.FillNoCustom(s)
			s.SecretRef.UsernameKey, s.SecretRef.PasswordKey = "username", "password"
		},
		func(s *kafka.KafkaTopicSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.DeletionPolicy, s.DriftPolicy = kafka.TopicRetain, kafka.DriftReport
		},
		func(s *kafka.KafkaTopicElectionSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Type = kafka.ElectUnclean
		},
	}
}
