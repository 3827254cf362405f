//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The pod can be reached without kube-apiserver, too: it asks the host who somebody is and what they may do.
func TestTheServerItselfLetsNobodyIn(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: filepath.Join(t.TempDir(), "data")})
	path := "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkas"
	as := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return header
	}
	for _, tc := range []struct {
		who    string
		header http.Header
		want   int
	}{
		{"nobody", nil, http.StatusForbidden},
		{"a stranger", as("Authorization", "Bearer wrong"), http.StatusUnauthorized},
		{"an administrator", as("Authorization", "Bearer "+harness.AdminToken), http.StatusOK},
		{"an administrator who acts as a stranger", as("Authorization", "Bearer "+harness.AdminToken, "Impersonate-User", "stranger"), http.StatusForbidden},
		// Only who shows the front proxy's certificate may say who somebody is.
		{"a false front proxy", as("X-Remote-User", "admin", "X-Remote-Group", "system:masters"), http.StatusForbidden},
	} {
		if code, body := s.Request(t, path, tc.header); code != tc.want {
			t.Errorf("%s gets %d, want %d: %s", tc.who, code, tc.want, body)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := s.Request(t, path, nil); code != http.StatusOK {
			t.Errorf("a probe of %s gets %d: %s", path, code, body)
		}
	}
}

func TestWritesAreAuditedUnderTheHumansName(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: RequestResponse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: filepath.Join(dir, "data"),
		Args: []string{"--audit-policy-file=" + policy, "--audit-log-path=" + log}})
	kafkaOn(t, s.Client(t), n)
	human := "human-" + n
	kubectl(t, "", "create rolebinding admin --clusterrole=admin --user="+human+" -n "+n)
	line := "create -f - --as=" + human
	harness.Eventually(t, 30*time.Second, "the human may create", func() string {
		if r := cluster.KubectlOf(t, s.Kubeconfig, topicManifest(n, "orders."+n, "", oneOfEach), line); r.ExitCode != 0 {
			return r.Stderr
		}
		return ""
	})
	line = "scale kafkatopic/orders." + n + " --replicas=2 --as=" + human + " -n " + n
	if r := cluster.KubectlOf(t, s.Kubeconfig, "", line); r.ExitCode != 0 {
		t.Fatalf("kubectl %s: %s", line, r.Stderr)
	}
	harness.Eventually(t, 10*time.Second, "both writes are in the audit log", func() string {
		content, err := os.ReadFile(log)
		if err != nil {
			return err.Error()
		}
		for _, verb := range []string{`"verb":"create"`, `"verb":"patch"`} {
			found := false
			for event := range strings.Lines(string(content)) {
				found = found || strings.Contains(event, verb) && strings.Contains(event, fmt.Sprintf(`"username":%q`, human)) &&
					strings.Contains(event, `"resource":"kafkatopics"`) && strings.Contains(event, `"stage":"ResponseComplete"`)
			}
			if !found {
				return "there is no event with " + verb
			}
		}
		return ""
	})
	code, metrics := s.Probe(t, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answers %d", code)
	}
	// Priority and fairness is on, and calls to brokers and the server's own loops are counted.
	expectWords(t, "/metrics", metrics, "apiserver_flowcontrol_dispatched_requests_total", "apiserver_request_duration_seconds", "kafka_apiserver_broker",
		`kafka_apiserver_controller_queue_length{controller="topic-sweeper"}`)
}
