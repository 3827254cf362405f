package kafka

// ExternalSpec names a cluster that somebody else runs.
type ExternalSpec struct {
	BootstrapServers      []string
	TLS                   *ExternalTLS
	Authentication        *ExternalAuthentication
	ClusterID             string
	UnmanagedTopicConfigs []string
}

// ExternalTLS encrypts the connections to a cluster that somebody else runs.
type ExternalTLS struct {
	CABundle                   string
	CASecretRef                *SecretKeyReference
	ClientCertificateSecretRef *SecretReference
	ServerName                 string
}

// AuthenticationType is a SASL mechanism.
type AuthenticationType string

const (
	AuthenticationPlain       AuthenticationType = "PLAIN"
	AuthenticationScramSHA256 AuthenticationType = "SCRAM-SHA-256"
	AuthenticationScramSHA512 AuthenticationType = "SCRAM-SHA-512"
)

// ExternalAuthentication is who a cluster that somebody else runs is told that we are.
type ExternalAuthentication struct {
	Type      AuthenticationType
	Username  string
	SecretRef UserSecretReference
}

// SecretReference names a Secret in the namespace of the Kafka.
type SecretReference struct {
	Name string
}

// SecretKeyReference names an entry of a Secret in the namespace of the Kafka.
type SecretKeyReference struct {
	Name string
	Key  string
}

// UserSecretReference names the entries of a Secret, in the namespace of the Kafka, that hold a user's name and password.
type UserSecretReference struct {
	Name        string
	UsernameKey string
	PasswordKey string
}
