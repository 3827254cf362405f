package kafka_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// noSecrets is a host that keeps none.
type noSecrets struct{}

func (noSecrets) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
}

func externalKafka(namespace string, change ...func(*v1beta1.ExternalSpec)) *v1beta1.Kafka {
	external := &v1beta1.ExternalSpec{BootstrapServers: []string{"127.0.0.1:1"}}
	for _, c := range change {
		c(external)
	}
	return &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: namespace}, Spec: v1beta1.KafkaSpec{External: external}}
}

func withPassword(e *v1beta1.ExternalSpec) {
	e.TLS = &v1beta1.ExternalTLS{ClientCertificateSecretRef: &v1beta1.SecretReference{Name: "certificate"}}
	e.Authentication = &v1beta1.ExternalAuthentication{Type: v1beta1.AuthenticationPlain, SecretRef: v1beta1.UserSecretReference{Name: "creds"}}
}

// withoutSecret may do everything but get one Secret.
func withoutSecret(name string) func(authorizer.Attributes) bool {
	return func(a authorizer.Attributes) bool {
		return a.GetResource() != "secrets" || a.GetAPIGroup() != "" || a.GetVerb() != "get" || a.GetName() != name
	}
}

// The server shows what is in a Secret to whoever listens at the bootstrap servers.
func TestWhoRefersToASecretHasToBeAllowedToReadIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"creds", "certificate"} {
		n := server.Namespace()
		user, who := server.As(t, withoutSecret(name))
		_, err := user.KafkaV1beta1().Kafkas(n).Create(t.Context(), externalKafka(n, withPassword), metav1.CreateOptions{})
		expectStatus(t, err, 403, who, `"get"`, "secrets/"+name, n)
		if _, err := kafkas(n).Get(t.Context(), "theirs", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("the Kafka is there: %v", err)
		}

		k := mustCreate(t, externalKafka(n, withPassword))
		if got := k.Spec.External.Authentication.SecretRef; got.UsernameKey != "username" || got.PasswordKey != "password" {
			t.Errorf("the defaults are %+v", got)
		}
		for what, change := range map[string]func(*v1beta1.ExternalSpec){
			"other addresses": func(e *v1beta1.ExternalSpec) { e.BootstrapServers = []string{"evil.example.com:9092"} },
			"another name":    func(e *v1beta1.ExternalSpec) { e.TLS.ServerName = "evil.example.com" },
			"another CA":      func(e *v1beta1.ExternalSpec) { e.TLS.CASecretRef = &v1beta1.SecretKeyReference{Name: "other"} },
		} {
			changed := k.DeepCopy()
			change(changed.Spec.External)
			_, err := user.KafkaV1beta1().Kafkas(n).Update(t.Context(), changed, metav1.UpdateOptions{})
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s: %v, want forbidden", what, err)
			}
		}
		// What sends the Secrets nowhere else is as free as before.
		labelled := k.DeepCopy()
		labelled.Labels = map[string]string{"team": "a"}
		if k, err = user.KafkaV1beta1().Kafkas(n).Update(t.Context(), labelled, metav1.UpdateOptions{}); err != nil {
			t.Errorf("a label: %v", err)
		}
		k.Spec.External.Authentication, k.Spec.External.TLS = nil, nil
		if _, err := user.KafkaV1beta1().Kafkas(n).Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Errorf("no Secrets any more: %v", err)
		}
	}
}

func TestAPasswordInClearTextIsWarnedOf(t *testing.T) {
	t.Parallel()
	n := server.Namespace()
	client, warnings := server.Warned(t)
	k, err := client.KafkaV1beta1().Kafkas(n).Create(t.Context(), externalKafka(n, withPassword, func(e *v1beta1.ExternalSpec) { e.TLS = nil }), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(warnings.Take(), "\n"); !strings.Contains(got, "PLAIN without tls") {
		t.Errorf("warnings %q", got)
	}
	k.Spec.External.TLS = &v1beta1.ExternalTLS{}
	if _, err := client.KafkaV1beta1().Kafkas(n).Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := warnings.Take(); len(got) != 0 {
		t.Errorf("with TLS: %q", got)
	}
}

// A live view says which Secret it lacks, and a server without a host refuses to be told of one.
func TestSecretsThatAreNotThere(t *testing.T) {
	t.Parallel()
	n := server.Namespace()
	mustCreate(t, externalKafka(n, withPassword))
	_, err := server.Client.KafkaV1beta1().Kafkas(n).GetBrokers(t.Context(), "theirs", metav1.GetOptions{})
	expectStatus(t, err, 503, "Secret "+n+"/certificate does not exist")

	alone, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	_, err = alone.Client.KafkaV1beta1().Kafkas(n).Create(t.Context(), externalKafka(n, withPassword), metav1.CreateOptions{})
	expectStatus(t, err, 422, "spec.external", `"certificate"`, "without")

	// TLS needs no Secret.
	authority, err := kafkaproc.NewAuthority("theirs")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue("broker", time.Now().Add(time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(issued.Cert, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	k := externalKafka(n, func(e *v1beta1.ExternalSpec) {
		e.BootstrapServers, e.TLS = fake.ListenAddrs(), &v1beta1.ExternalTLS{CABundle: string(authority.PEM)}
	})
	if _, err := alone.Client.KafkaV1beta1().Kafkas(n).Create(t.Context(), k, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if view, err := alone.Client.KafkaV1beta1().Kafkas(n).GetBrokers(t.Context(), k.Name, metav1.GetOptions{}); err != nil || len(view.Brokers) != 1 {
		t.Errorf("over TLS: %+v, %v", view, err)
	}
}
