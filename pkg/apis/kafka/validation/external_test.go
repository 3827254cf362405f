package validation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/pki"
)

func TestValidateExternalSecurity(t *testing.T) {
	authority, err := pki.NewAuthority("theirs", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.NewAuthority("renewed", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	login := kafka.UserSecretReference{Name: "login", UsernameKey: "username", PasswordKey: "password"}
	bundle := func(text string) func(*kafka.ExternalSpec) {
		return func(e *kafka.ExternalSpec) { e.TLS = &kafka.ExternalTLS{CABundle: text} }
	}
	as := func(change func(*kafka.ExternalAuthentication)) func(*kafka.ExternalSpec) {
		return func(e *kafka.ExternalSpec) {
			e.Authentication = &kafka.ExternalAuthentication{Type: kafka.AuthenticationScramSHA512, SecretRef: login}
			change(e.Authentication)
		}
	}
	const at = "spec.external."
	for _, tc := range []struct {
		rule   string
		change func(*kafka.ExternalSpec)
		want   []refusal
	}{
		{"TLS by itself", bundle(""), nil},
		{"several authorities, and words between them", bundle("# theirs\n" + string(authority.Cert) + "\n# new\n" + string(other.Cert)), nil},
		{"everything", func(e *kafka.ExternalSpec) {
			e.TLS = &kafka.ExternalTLS{CASecretRef: &kafka.SecretKeyReference{Name: "ca", Key: "ca.crt"}, ServerName: "Kafka.example.com",
				ClientCertificateSecretRef: &kafka.SecretReference{Name: "client.cert"}}
			e.Authentication = &kafka.ExternalAuthentication{Type: kafka.AuthenticationPlain, SecretRef: login}
		}, nil},
		{"a name of one's own", as(func(a *kafka.ExternalAuthentication) { a.Username, a.SecretRef.UsernameKey = "alice", "" }), nil},
		{"an address as server name", func(e *kafka.ExternalSpec) { e.TLS = &kafka.ExternalTLS{ServerName: "10.0.0.1"} }, nil},
		{"ids of clusters, as Kafka and others make them", func(e *kafka.ExternalSpec) { e.ClusterID = "5L6g3nShT-eMCtK--X86sw" }, nil},
		{"an id that somebody chose", func(e *kafka.ExternalSpec) { e.ClusterID = "redpanda.1:[a/b]" }, nil},
		{"settings by name and by prefix", func(e *kafka.ExternalSpec) {
			e.UnmanagedTopicConfigs = []string{"cleanup.policy", "example.*", "a_b-c.d.*"}
		}, nil},

		{"an id with spaces", func(e *kafka.ExternalSpec) { e.ClusterID = "a b" }, []refusal{{at + "clusterID", "which has no spaces"}}},
		{"an id that is too long", func(e *kafka.ExternalSpec) { e.ClusterID = strings.Repeat("a", 256) }, []refusal{{at + "clusterID", "may not be more than 255"}}},
		{"settings that are none", func(e *kafka.ExternalSpec) {
			e.UnmanagedTopicConfigs = []string{"*", "example*", ".*", "a..b", "", "a", "a", strings.Repeat("a", 257)}
		}, []refusal{
			{at + "unmanagedTopicConfigs[0]", `such as example.*`}, {at + "unmanagedTopicConfigs[1]", `such as example.*`}, {at + "unmanagedTopicConfigs[2]", `such as example.*`},
			{at + "unmanagedTopicConfigs[3]", `such as example.*`}, {at + "unmanagedTopicConfigs[4]", `such as example.*`}, {at + "unmanagedTopicConfigs[6]", "Duplicate"},
			{at + "unmanagedTopicConfigs[7]", "may not be more than 256"}}},
		{"more settings than anybody has", func(e *kafka.ExternalSpec) { e.UnmanagedTopicConfigs = make([]string, 65) }, []refusal{{at + "unmanagedTopicConfigs", "at most 64"}}},
		{"no PEM", bundle("c2VjcmV0"), []refusal{{at + "tls.caBundle", "must be certificates in PEM"}}},
		{"a key in its place", bundle(string(authority.Key)), []refusal{{at + "tls.caBundle", "has a PRIVATE KEY"}}},
		{"a broken certificate", bundle("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []refusal{{at + "tls.caBundle", "certificate 1 cannot be read"}}},
		{"too much", bundle(strings.Repeat(string(authority.Cert), 1000)), []refusal{{at + "tls.caBundle", "may not be more than"}}},
		{"two bundles", func(e *kafka.ExternalSpec) {
			e.TLS = &kafka.ExternalTLS{CABundle: string(authority.Cert), CASecretRef: &kafka.SecretKeyReference{Name: "ca", Key: "ca.crt"}}
		}, []refusal{{at + "tls.caSecretRef", "not both"}}},
		{"names that are missing", func(e *kafka.ExternalSpec) {
			e.TLS = &kafka.ExternalTLS{CASecretRef: &kafka.SecretKeyReference{Key: "ca.crt"}, ClientCertificateSecretRef: &kafka.SecretReference{}}
			e.Authentication = &kafka.ExternalAuthentication{SecretRef: kafka.UserSecretReference{UsernameKey: "username", PasswordKey: "password"}}
		}, []refusal{
			{at + "tls.caSecretRef.name", "name a Secret in the namespace of this Kafka"},
			{at + "tls.clientCertificateSecretRef.name", "name a Secret"},
			{at + "authentication.type", "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
			{at + "authentication.secretRef.name", "name a Secret"},
		}},
		{"names that are none", func(e *kafka.ExternalSpec) {
			e.TLS = &kafka.ExternalTLS{CASecretRef: &kafka.SecretKeyReference{Name: "../ca", Key: "a/b"}, ServerName: "no name"}
		}, []refusal{{at + "tls.caSecretRef.name", "RFC 1123"}, {at + "tls.caSecretRef.key", "alphanumeric"}, {at + "tls.serverName", "RFC 1123"}}},
		{"an unknown mechanism lists the known", as(func(a *kafka.ExternalAuthentication) { a.Type = "GSSAPI" }),
			[]refusal{{at + "authentication.type", `supported values: "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"`}}},
		{"one name only", as(func(a *kafka.ExternalAuthentication) { a.Username = "alice" }),
			[]refusal{{at + "authentication.secretRef.usernameKey", "not both"}}},
		{"keys that are none", as(func(a *kafka.ExternalAuthentication) { a.SecretRef.UsernameKey, a.SecretRef.PasswordKey = "", "a b" }),
			[]refusal{{at + "authentication.secretRef.usernameKey", "name an entry"}, {at + "authentication.secretRef.passwordKey", "alphanumeric"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			k := newKafka(external("kafka.example.com:9093"))
			tc.change(k.Spec.External)
			got := ValidateKafka(k)
			expect(t, got, tc.want...)
			if strings.Contains(fmt.Sprint(got), "BEGIN PRIVATE KEY") {
				t.Errorf("an error repeats a private key: %v", got)
			}
		})
	}
}
