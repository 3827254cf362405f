//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// toolsPod is where Kafka's own tools run: beside the brokers, so that the addresses that they advertise resolve.
const toolsPod = "kafka-tools"

const toolsManifest = `
apiVersion: v1
kind: Pod
metadata: {name: kafka-tools}
spec:
  terminationGracePeriodSeconds: 0
  enableServiceLinks: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: tools
    image: apache/kafka:4.3.1
    imagePullPolicy: IfNotPresent
    command: [sleep, infinity]
    env:
    - {name: KAFKA_HEAP_OPTS, value: "-Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
    - {name: LOG_DIR, value: /tmp}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// startTools starts the pod in the current namespace.
func startTools(t *testing.T) {
	t.Helper()
	kubectlWith(t, toolsManifest, "apply -f -")
	kubectl(t, "wait pod/"+toolsPod+" --for=condition=Ready --timeout=60s")
}

// tool runs one of Kafka's own tools and returns what it prints.
func tool(t *testing.T, stdin, script string, args ...string) string {
	t.Helper()
	line := append([]string{"exec", "-i", toolsPod, "--", "/opt/kafka/bin/" + script}, args...)
	r := run(t, stdin, "kubectl", line...)
	if r.Code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s%s", script, strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// describeTopic is what kafka-topics says of a topic.
func describeTopic(t *testing.T, bootstrap, topic string) string {
	t.Helper()
	return tool(t, "", "kafka-topics.sh", "--bootstrap-server", bootstrap, "--describe", "--topic", topic)
}

// produce writes records with acks=all, each a line.
func produce(t *testing.T, bootstrap, topic string, records []string) {
	t.Helper()
	tool(t, strings.Join(records, "\n")+"\n", "kafka-console-producer.sh", "--bootstrap-server", bootstrap, "--topic", topic,
		"--producer-property", "acks=all", "--producer-property", "enable.idempotence=true")
}

// consume reads n records from the beginning.
func consume(t *testing.T, bootstrap, topic string, n int) []string {
	t.Helper()
	out := tool(t, "", "kafka-console-consumer.sh", "--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning",
		"--max-messages", fmt.Sprint(n), "--timeout-ms", "60000")
	return strings.Fields(out)
}

// numbered are n records that differ.
func numbered(n int) []string {
	records := make([]string, n)
	for i := range records {
		records[i] = fmt.Sprintf("record-%05d", i)
	}
	return records
}
