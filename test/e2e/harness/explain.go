package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// Bounds of what is said of one failure.
	mostEvents   = 20
	mostLogLines = 40
	mostBytes    = 8 << 10
)

const conditions = `jsonpath={range .status.conditions[*]}{.type}={.status} {.reason} since {.lastTransitionTime}: {.message}{"\n"}{end}`

// explain tells what helps to understand why a test failed: what runs in its namespace, and what its Kafkas and their nodes say.
func (m Made) explain(ctx context.Context, start time.Time) string {
	var text strings.Builder
	section := func(title, content string) { fmt.Fprintf(&text, "-- %s\n%s\n", title, strings.TrimSpace(content)) }
	ask := func(lines int, args ...string) {
		out, err := kubectl(ctx, append(args, "--namespace", m.Namespace)...)
		if err != nil {
			out = err.Error()
		}
		section("kubectl "+strings.Join(args, " "), last(out, lines))
	}
	section("clocks", clocks(start, time.Now()))
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		section("load", string(load))
	}
	ask(0, "get", "pods", "-o", "wide")
	ask(mostEvents, "events")
	for _, name := range m.Kafkas {
		ask(0, "get", "kafka/"+name, "-o", conditions)
		pods, err := kubectl(ctx, "get", "pods", "-l", clusterLabel+name, "-o", "name", "--namespace", m.Namespace)
		if err != nil {
			section("the pods of Kafka "+name, err.Error())
		}
		for _, pod := range strings.Fields(pods) {
			ask(mostLogLines, "logs", pod, fmt.Sprintf("--tail=%d", mostLogLines))
		}
	}
	return text.String()
}

// clocks compares how long a test took by the clock that nobody sets with what the clock on the wall says. Brokers and Kafka's tools measure
// their timeouts by the latter, so that all of them end at once when it is put forward.
func clocks(start, now time.Time) string {
	wall := now.Round(0).Sub(start.Round(0))
	return fmt.Sprintf("it is %s; the test took %s, and %s by the clock on the wall", now.UTC().Format(time.RFC3339), now.Sub(start).Round(time.Second), wall.Round(time.Second))
}

// last are the last lines of a text, all of them for 0, and no more than is worth reading.
func last(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if lines > 0 && len(all) > lines {
		all = all[len(all)-lines:]
	}
	text = strings.Join(all, "\n")
	if len(text) > mostBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-mostBytes:], "")
	}
	return text
}
