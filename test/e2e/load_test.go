//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

// load is Kafka's verifiable producer at work on a topic: it writes one number after the other with acks=all, and says of each whether it was
// acknowledged.
type load struct {
	topic, server, pidFile string
	done                   chan harness.Result
}

// loadRate is how many records a second are written.
const loadRate = 50

// startLoad begins to write.
func startLoad(t *testing.T, server, topic string) *load {
	t.Helper()
	l := &load{topic: topic, server: server, pidFile: "/tmp/load-" + topic + ".pid", done: make(chan harness.Result, 1)}
	// By itself it tries nothing again, which every other producer does. A pod that is made anew has another address, and Java looks for it at the
	// old one for half a minute.
	script := fmt.Sprintf("echo $$ > %[1]s; printf 'retries=2147483647\\nenable.idempotence=true\\n' > %[1]s.config; "+
		"KAFKA_OPTS=-Dsun.net.inetaddr.ttl=1 exec /opt/kafka/bin/kafka-run-class.sh org.apache.kafka.tools.VerifiableProducer --bootstrap-server %[2]s --topic %[3]s --acks -1 --throughput %[4]d --command-config %[1]s.config",
		l.pidFile, server, topic, loadRate)
	ctx := t.Context()
	go func() {
		// What is wrong with it shows in what it has written.
		result, _ := harness.Run(ctx, "", "kubectl", "exec", toolsPod, "--", "sh", "-c", script)
		l.done <- result
	}()
	eventually(t, time.Minute, "records are written", func() string {
		if out := tool(t, "", "kafka-get-offsets.sh", "--bootstrap-server", server, "--topic", topic); strings.Contains(out, ":0:0\n") {
			return out
		}
		return ""
	})
	return l
}

// stop ends the writing, and compares what was acknowledged with what is there: all of it, once, and none of it refused.
func (l *load) stop(t *testing.T) {
	t.Helper()
	if r := run(t, "", "kubectl", "exec", toolsPod, "--", "sh", "-c", "kill $(cat "+l.pidFile+")"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	out := (<-l.done).Stdout
	var acknowledged []string
	var last, stall int64
	for line := range strings.Lines(out) {
		var event struct {
			Name, Value, Message string
			Timestamp            int64
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			continue
		}
		switch event.Name {
		case "producer_send_success":
			acknowledged = append(acknowledged, event.Value)
			if last > 0 {
				stall = max(stall, event.Timestamp-last)
			}
			last = event.Timestamp
		case "producer_send_error":
			t.Errorf("record %s was refused: %s", event.Value, event.Message)
		}
	}
	if len(acknowledged) == 0 {
		t.Fatalf("nothing was acknowledged:\n%.2000s", out)
	}
	have := consume(t, l.server, l.topic, len(acknowledged))
	slices.Sort(have)
	slices.Sort(acknowledged)
	if !slices.Equal(have, acknowledged) {
		t.Errorf("%d records were acknowledged, and %d read that are others", len(acknowledged), len(have))
	}
	t.Logf("%d records acknowledged and read, none refused; the longest stall was %d ms", len(acknowledged), stall)
}
