//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// Listeners of a secured cluster, each of which lets in nobody without what its name says.
const (
	listenerTLS    = "ENCRYPTED"
	listenerMutual = "MUTUAL"
	listenerPlain  = "PLAINSASL"
	listenerScram  = "SCRAMSASL"
)

// theirs is a cluster that somebody else runs, with an account alice.
type theirs struct {
	*kafkaproc.Cluster
	dir       string
	authority *kafkaproc.Authority
	client    kafkaproc.Certificate
}

func startTheirs(t *testing.T, version string) *theirs {
	t.Helper()
	c := &theirs{dir: t.TempDir()}
	var err, issued error
	c.authority, err = kafkaproc.NewAuthority("their authority")
	if err != nil {
		t.Fatal(err)
	}
	node, err := c.authority.Issue("node", time.Now().Add(12*time.Hour), "127.0.0.1")
	c.client, issued = c.authority.Issue("alice", time.Now().Add(12*time.Hour))
	if err := errors.Join(err, issued); err != nil {
		t.Fatal(err)
	}
	tls := map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": c.file(t, "node.pem", node.Key, node.Cert),
		"ssl.truststore.type": "PEM", "ssl.truststore.location": c.file(t, "ca.pem", c.authority.PEM),
	}
	with := func(more ...string) map[string]string {
		all := map[string]string{}
		for key, value := range tls {
			all[key] = value
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	const module = "org.apache.kafka.common.security."
	listeners := []kafkaproc.Listener{
		{Name: listenerTLS, Protocol: "SSL", Config: tls},
		{Name: listenerMutual, Protocol: "SSL", Config: with("ssl.client.auth", "required")},
		{Name: listenerPlain, Protocol: "SASL_SSL", Config: with("sasl.enabled.mechanisms", "PLAIN",
			"plain.sasl.jaas.config", module+`plain.PlainLoginModule required user_alice="alice-secret";`)},
		{Name: listenerScram, Protocol: "SASL_SSL", Config: with("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512",
			"scram-sha-256.sasl.jaas.config", module+"scram.ScramLoginModule required;",
			"scram-sha-512.sasl.jaas.config", module+"scram.ScramLoginModule required;", "connections.max.reauth.ms", "5000")},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if version == kafkaproc.Version3 {
		c.Cluster, err = kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Dir: filepath.Join(c.dir, "kafka"), HeapMiB: 256, Listeners: listeners})
	} else {
		c.Cluster, err = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: filepath.Join(c.dir, "kafka"), HeapMiB: 256, Listeners: listeners})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Kill() })
	c.setPassword(t, "alice-secret")
	return c
}

func (c *theirs) file(t *testing.T, name string, parts ...[]byte) string {
	t.Helper()
	var content []byte
	for _, part := range parts {
		content = append(content, part...)
	}
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// setPassword gives alice a password for SCRAM, as the owner of the cluster does.
func (c *theirs) setPassword(t *testing.T, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Both at once is an error to brokers in KRaft mode.
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		_, err := c.Tool(ctx, "kafka.admin.ConfigCommand", "--bootstrap-server", c.Bootstrap()[0], "--alter", "--entity-type", "users", "--entity-name", "alice",
			"--add-config", fmt.Sprintf("%s=[password=%s]", mechanism, password))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// describe asks Kafka's own tool, as alice and on the same listener.
func (c *theirs) describe(t *testing.T, listener, topic string) string {
	t.Helper()
	properties := "ssl.truststore.type=PEM\nssl.truststore.location=" + filepath.Join(c.dir, "ca.pem") + "\n"
	login := "sasl.jaas.config=org.apache.kafka.common.security.%s required username=\"alice\" password=\"alice-secret\";\n"
	switch listener {
	case listenerTLS:
		properties += "security.protocol=SSL\n"
	case listenerMutual:
		properties += "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=" + c.file(t, "client.pem", c.client.Key, c.client.Cert) + "\n"
	case listenerPlain:
		properties += "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n" + fmt.Sprintf(login, "plain.PlainLoginModule")
	case listenerScram:
		properties += "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n" + fmt.Sprintf(login, "scram.ScramLoginModule")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := c.Tool(ctx, topicCommand, "--bootstrap-server", c.BootstrapAt(listener)[0],
		"--command-config", c.file(t, listener+".properties", []byte(properties)), "--describe", "--topic", topic)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// secrets puts what alice knows into a namespace.
func (c *theirs) secrets(t *testing.T, namespace string) {
	t.Helper()
	for _, secret := range []*corev1.Secret{
		{ObjectMeta: metav1.ObjectMeta{Name: "ca"}, Data: map[string][]byte{"ca.crt": c.authority.PEM}},
		{ObjectMeta: metav1.ObjectMeta{Name: "client"}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": c.client.Cert, "tls.key": c.client.Key}},
		{ObjectMeta: metav1.ObjectMeta{Name: "login"}, Type: corev1.SecretTypeBasicAuth, Data: map[string][]byte{"username": []byte("alice"), "password": []byte("alice-secret")}},
	} {
		if _, err := cluster.Kubernetes.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// newKafka makes a Kafka my-cluster for a listener.
func (c *theirs) newKafka(t *testing.T, namespace, listener string, mechanism v1beta1.AuthenticationType) {
	t.Helper()
	external := &v1beta1.ExternalSpec{BootstrapServers: c.BootstrapAt(listener), TLS: &v1beta1.ExternalTLS{CABundle: string(c.authority.PEM)}}
	switch listener {
	case listenerMutual:
		external.TLS = &v1beta1.ExternalTLS{CASecretRef: &v1beta1.SecretKeyReference{Name: "ca"}, ClientCertificateSecretRef: &v1beta1.SecretReference{Name: "client"}}
	case listenerPlain, listenerScram:
		external.Authentication = &v1beta1.ExternalAuthentication{Type: mechanism, SecretRef: v1beta1.UserSecretReference{Name: "login"}}
	}
	_, err := cluster.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"}, Spec: v1beta1.KafkaSpec{External: external},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// The topic plane on a cluster that somebody else runs is the same, however that cluster is secured. Not beside other tests: it
// starts the controllers.
func TestExternalClustersThatAreSecured(t *testing.T) {
	cluster.StartControllers(t)
	for version, listeners := range map[string][]string{
		kafkaproc.Version4: {listenerTLS, listenerMutual, listenerPlain, listenerScram},
		kafkaproc.Version3: {listenerScram, listenerMutual},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := startTheirs(t, version)
			for _, listener := range listeners {
				mechanism := v1beta1.AuthenticationScramSHA512
				if listener == listenerPlain {
					mechanism = v1beta1.AuthenticationPlain
				}
				t.Run(listener, func(t *testing.T) { testTopicPlane(t, c, listener, mechanism) })
			}
			t.Run("refusals", func(t *testing.T) { testRefusals(t, c) })
			t.Run("rotation", func(t *testing.T) { testRotation(t, c) })
		})
	}
}

func testTopicPlane(t *testing.T, c *theirs, listener string, mechanism v1beta1.AuthenticationType) {
	n := cluster.Namespace(t)
	c.secrets(t, n)
	c.newKafka(t, n, listener, mechanism)
	kubectl(t, "", "wait kafka/my-cluster --for=condition=Ready --timeout=30s -n "+n)
	name := strings.ToLower(listener) + ".orders"
	kubectl(t, topicManifest(n, "orders", name, `"partitions":2,"replicas":1,"config":{"retention.ms":"1000"}`), "create -f -")
	expectWords(t, "the tool's topic", c.describe(t, listener, name), "PartitionCount: 2", "retention.ms=1000")
	kubectl(t, "", "scale kafkatopic/orders --replicas=4 -n "+n)
	kubectl(t, "", `patch kafkatopic orders --type=merge -p {"spec":{"config":{"retention.ms":null,"max.message.bytes":"2000"}}} -n `+n)
	expectWords(t, "the tool's topic", c.describe(t, listener, name), "PartitionCount: 4", "max.message.bytes=2000")
	out := kubectl(t, "", "get kafkatopic orders --subresource=partitions --no-headers -n "+n)
	if lines := strings.Count(out, "\n"); lines != 4 {
		t.Errorf("partitions are printed as\n%s", out)
	}
	refused(t, topicManifest(n, "bad", name+".bad", `"partitions":1,"replicas":2`), "create -f -", 422, "spec.replicas")
	kubectl(t, "", "wait kafkatopic/orders --for=condition=Ready --timeout=30s -n "+n)
	kubectl(t, "", "delete kafkatopic orders -n "+n)
	if out := topicTool(t, c.Cluster, "--list"); strings.Contains(out, name) {
		t.Errorf("after the delete the brokers have %s", out)
	}
}

// testRefusals has a Kafka say what is wrong, and work once it is put right.
func testRefusals(t *testing.T, c *theirs) {
	stranger, err := kafkaproc.NewAuthority("another authority")
	if err != nil {
		t.Fatal(err)
	}
	right := fmt.Sprintf(`{"caBundle":%q}`, c.authority.PEM)
	login := func(kind, secret string) string {
		return fmt.Sprintf(`{"type":%q,"secretRef":{"name":%q}}`, kind, secret)
	}
	n := cluster.Namespace(t)
	c.secrets(t, n)
	for i, tc := range []struct {
		name, listener, tls, authentication, reason, words string
	}{
		{"another authority", listenerTLS, fmt.Sprintf(`{"caBundle":%q}`, stranger.PEM), "null", "TLSFailed", "not signed by a trusted authority"},
		{"no client certificate", listenerMutual, right, "null", "TLSFailed", "the broker refuses the TLS handshake"},
		{"TLS on a plain listener", "", right, "null", "TLSFailed", "may not speak TLS"},
		{"clear text on a TLS listener", listenerTLS, "null", "null", "TLSFailed", "the listener speaks TLS"},
		{"a mechanism that is not offered", listenerScram, right, login("PLAIN", "login"), "AuthenticationFailed", "SCRAM-SHA-256, SCRAM-SHA-512 and not PLAIN"},
		{"a listener that does not ask", listenerTLS, right, login("PLAIN", "login"), "AuthenticationFailed", "does not authenticate with SASL"},
		{"a Secret that is missing", listenerScram, right, login("SCRAM-SHA-256", "none"), "CredentialsUnavailable", "Secret " + n + "/none does not exist"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			servers := c.Bootstrap()
			if tc.listener != "" {
				servers = c.BootstrapAt(tc.listener)
			}
			name := fmt.Sprintf("cluster-%d", i)
			kubectl(t, fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":%q,"namespace":%q},
				"spec":{"external":{"bootstrapServers":[%q],"tls":%s,"authentication":%s}}}`, name, n, servers[0], tc.tls, tc.authentication), "create -f -")
			harness.Eventually(t, 20*time.Second, "Ready is False for the reason "+tc.reason, func() string {
				got := kubectl(t, "", "get kafka "+name+" -n "+n+` -o jsonpath={.status.conditions[?(@.type=="Ready")]}`)
				if !strings.Contains(got, `"reason":"`+tc.reason+`"`) || !strings.Contains(got, tc.words) {
					return got
				}
				return ""
			})
			refused(t, "", "get kafka "+name+" --subresource=brokers -n "+n, 503, tc.words)
			kubectl(t, "", fmt.Sprintf(`patch kafka %s -n %s --type=merge -p {"spec":{"external":{"bootstrapServers":[%q],"tls":%s,"authentication":%s}}}`,
				name, n, c.BootstrapAt(listenerPlain)[0], strings.ReplaceAll(`{"caSecretRef":{"name":"ca"},"caBundle":null}`, " ", ""), login("PLAIN", "login")))
			kubectl(t, "", "wait kafka/"+name+" --for=condition=Ready --timeout=20s -n "+n)
			kubectl(t, "", "get kafka "+name+" --subresource=brokers -n "+n)
		})
	}
}

// testRotation changes a Secret under a Kafka: what is new takes effect within ten seconds, in both processes and without a restart.
func testRotation(t *testing.T, c *theirs) {
	n := cluster.Namespace(t)
	c.secrets(t, n)
	c.newKafka(t, n, listenerScram, v1beta1.AuthenticationScramSHA256)
	kubectl(t, "", "wait kafka/my-cluster --for=condition=Ready --timeout=30s -n "+n)
	kubectl(t, topicManifest(n, "orders", "", oneOfEach), "create -f -")
	rotate := func(password string) {
		t.Helper()
		patch := fmt.Sprintf(`{"stringData":{"password":%q}}`, password)
		kubectl(t, "", "patch secret login --type=merge -p "+patch+" -n "+n)
	}
	const soon = 10 * time.Second
	rotate("not-this-one")
	harness.Eventually(t, soon, "the wrong password is noticed", func() string {
		r := cluster.Kubectl(t, "", "get kafkatopic orders --subresource=partitions -n "+n)
		if r.Code != 503 || !strings.Contains(r.Stderr, "SASL_AUTHENTICATION_FAILED") || strings.Contains(r.Stderr, "not-this-one") {
			return fmt.Sprint(r.Code, r.Stdout, r.Stderr)
		}
		return ""
	})
	kubectl(t, "", "wait kafka/my-cluster --for=condition=Ready=false --timeout=60s -n "+n)
	out := kubectl(t, topicManifest(n, "later", "", oneOfEach), "create -f -")
	expectWords(t, "a create meanwhile", out, "created")
	c.setPassword(t, "renewed")
	rotate("renewed")
	harness.Eventually(t, soon, "the right password is noticed", func() string {
		return cluster.Kubectl(t, "", "get kafkatopic orders --subresource=partitions -n "+n).Stderr
	})
	kubectl(t, "", "wait kafkatopic/later --for=condition=Ready --timeout=20s -n "+n)
	kubectl(t, "", "wait kafka/my-cluster --for=condition=Ready --timeout=20s -n "+n)
	// The account's sessions end after five seconds (connections.max.reauth.ms), and nobody notices.
	deadline := time.Now().Add(soon)
	for time.Now().Before(deadline) {
		kubectl(t, "", "get kafkatopic orders --subresource=partitions -n "+n)
	}
	c.setPassword(t, "alice-secret")
}
