package v1beta1

// ExternalSpec names a cluster that somebody else runs.
type ExternalSpec struct {
	// bootstrapServers are host:port addresses at which some of the brokers are first asked.
	// +listType=atomic
	BootstrapServers []string `json:"bootstrapServers"`
	// tls encrypts the connections, and verifies the brokers' certificates. Left out, connections are in clear text.
	// +optional
	TLS *ExternalTLS `json:"tls,omitempty"`
	// authentication is who the brokers are told that this API is. Left out, connections are anonymous, or known by
	// their client certificate.
	// +optional
	Authentication *ExternalAuthentication `json:"authentication,omitempty"`
	// clusterID is Apache Kafka's own id of the cluster that has to answer at bootstrapServers. Left out, it is that of the
	// cluster that was the first to answer there (status.pinnedClusterID). Of any other cluster nothing is asked: the Kafka is
	// Ready=False, ClusterReplaced, until this field has the id of that one.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// unmanagedTopicConfigs are settings of topics that are left as they are where a KafkaTopic does not set them: exact names,
	// or the beginning of names before ".*", such as "example.*". Those that known vendors set on every topic are always left.
	// +optional
	// +listType=set
	UnmanagedTopicConfigs []string `json:"unmanagedTopicConfigs,omitempty"`
}

// ExternalTLS encrypts the connections to a cluster that somebody else runs. Brokers' certificates are always verified.
type ExternalTLS struct {
	// caBundle holds, in PEM, the certificates of the authorities that brokers' certificates must come from. Left out
	// together with caSecretRef, the authorities that the operating system trusts.
	// +optional
	CABundle string `json:"caBundle,omitempty"`
	// caSecretRef names a Secret with such certificates, for authorities that are renewed. Excludes caBundle.
	// +optional
	CASecretRef *SecretKeyReference `json:"caSecretRef,omitempty"`
	// clientCertificateSecretRef names a Secret, as of type kubernetes.io/tls, whose tls.crt and tls.key are shown to
	// brokers that ask for a client certificate.
	// +optional
	ClientCertificateSecretRef *SecretReference `json:"clientCertificateSecretRef,omitempty"`
	// serverName is the name that the certificate of every broker must be valid for. Left out, the host that the
	// broker is reached at.
	// +optional
	ServerName string `json:"serverName,omitempty"`
}

// AuthenticationType is a SASL mechanism.
// +enum
type AuthenticationType string

const (
	// AuthenticationPlain sends the password as it is: only with tls is it safe.
	AuthenticationPlain AuthenticationType = "PLAIN"
	// AuthenticationScramSHA256 proves that the password is known without sending it.
	AuthenticationScramSHA256 AuthenticationType = "SCRAM-SHA-256"
	// AuthenticationScramSHA512 proves that the password is known without sending it.
	AuthenticationScramSHA512 AuthenticationType = "SCRAM-SHA-512"
)

// ExternalAuthentication is who a cluster that somebody else runs is told that this API is.
type ExternalAuthentication struct {
	// type is the SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Type AuthenticationType `json:"type"`
	// username of the account. Left out, it is read from the Secret.
	// +optional
	Username string `json:"username,omitempty"`
	// secretRef names the Secret that holds the password.
	SecretRef UserSecretReference `json:"secretRef"`
}

// SecretReference names a Secret in the namespace of the Kafka. Who sets it needs to be allowed to get that Secret.
type SecretReference struct {
	// name of the Secret.
	Name string `json:"name"`
}

// SecretKeyReference names an entry of a Secret in the namespace of the Kafka. Who sets it needs to be allowed to get
// that Secret.
type SecretKeyReference struct {
	// name of the Secret.
	Name string `json:"name"`
	// key of the entry. Defaults to ca.crt.
	// +optional
	Key string `json:"key,omitempty"`
}

// UserSecretReference names a Secret, as of type kubernetes.io/basic-auth, in the namespace of the Kafka. Who sets it
// needs to be allowed to get that Secret. A changed Secret takes effect within seconds.
type UserSecretReference struct {
	// name of the Secret.
	Name string `json:"name"`
	// usernameKey is the entry with the user's name. Defaults to username. Not allowed with authentication.username.
	// +optional
	UsernameKey string `json:"usernameKey,omitempty"`
	// passwordKey is the entry with the password. Defaults to password.
	// +optional
	PasswordKey string `json:"passwordKey,omitempty"`
}
