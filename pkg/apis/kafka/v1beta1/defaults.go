package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
)

const defaultReplicas = 3

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	return RegisterDefaults(scheme)
}

// SetDefaults_KafkaSpec picks the version that fits the mode.
func SetDefaults_KafkaSpec(spec *KafkaSpec) {
	if spec.External != nil || spec.Version != "" {
		return
	}
	spec.Version = kafkaversion.Default
	if spec.ZooKeeper != nil {
		spec.Version = kafkaversion.DefaultZooKeeper
	}
}

// SetDefaults_BrokersSpec asks for three brokers.
func SetDefaults_BrokersSpec(spec *BrokersSpec) {
	if spec.Replicas == nil {
		spec.Replicas = ptr.To[int32](defaultReplicas)
	}
}

// SetDefaults_ControllersSpec asks for three controllers.
func SetDefaults_ControllersSpec(spec *ControllersSpec) {
	if spec.Replicas == nil {
		spec.Replicas = ptr.To[int32](defaultReplicas)
	}
}

// SetDefaults_ZooKeeperSpec asks for three members.
func SetDefaults_ZooKeeperSpec(spec *ZooKeeperSpec) {
	if spec.Replicas == nil {
		spec.Replicas = ptr.To[int32](defaultReplicas)
	}
}

// SetDefaults_StorageSpec keeps data on claims unless the user says otherwise.
func SetDefaults_StorageSpec(spec *StorageSpec) {
	if spec.Type == "" {
		spec.Type = PersistentClaim
	}
}

// SetDefaults_SecretKeyReference reads the entry that cert-manager and others put an authority into.
func SetDefaults_SecretKeyReference(ref *SecretKeyReference) {
	if ref.Key == "" {
		ref.Key = "ca.crt"
	}
}

// SetDefaults_ExternalAuthentication reads the name of the user where a Secret of type kubernetes.io/basic-auth has it.
func SetDefaults_ExternalAuthentication(authentication *ExternalAuthentication) {
	if authentication.Username == "" && authentication.SecretRef.UsernameKey == "" {
		authentication.SecretRef.UsernameKey = corev1.BasicAuthUsernameKey
	}
}

// SetDefaults_UserSecretReference reads the password where a Secret of type kubernetes.io/basic-auth has it.
func SetDefaults_UserSecretReference(ref *UserSecretReference) {
	if ref.PasswordKey == "" {
		ref.PasswordKey = corev1.BasicAuthPasswordKey
	}
}

// SetDefaults_KafkaTopicSpec reverts what was done outside, unless the user says otherwise. What becomes of a topic that goes with its
// object depends on whether the object made it, which is not known before the brokers have answered.
func SetDefaults_KafkaTopicSpec(spec *KafkaTopicSpec) {
	if spec.DriftPolicy == "" {
		spec.DriftPolicy = DriftRevert
	}
}
