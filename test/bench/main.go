// Command bench measures kafka-apiserver in the cluster of the current kubeconfig, or
// as processes of its own that need no cluster, each figure as a ratio against a
// baseline of the same run, or for what it is. It prints a table, writes results.json,
// and never fails because something was slow.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/test/bench/process"
)

// result is one measurement. Goal is what the ratio of value and baseline should not exceed; without a ratio, it is
// what the value itself should not exceed.
type result struct {
	Name         string   `json:"name"`
	Value        float64  `json:"value"`
	Unit         string   `json:"unit"`
	Baseline     *float64 `json:"baseline"`
	BaselineName string   `json:"baselineName"`
	Ratio        *float64 `json:"ratio"`
	Goal         float64  `json:"goal"`
}

// against is a result that is judged by its ratio to a baseline.
func against(value, baseline float64, unit, baselineName string, goal float64) result {
	return result{Value: value, Unit: unit, Baseline: ptr.To(baseline), BaselineName: baselineName, Ratio: ptr.To(value / baseline), Goal: goal}
}

// benchmark measures one thing.
type benchmark struct {
	name string
	run  func(context.Context, *bed) (result, error)
	// local says that it needs no cluster.
	local bool
}

// benchmarks that need no cluster come first. The others go from an empty cluster to a full one: what comes later leaves more behind.
var benchmarks = []benchmark{
	{name: "memory-slope", run: memorySlope, local: true},
	{name: "memory-slope-controllers", run: memorySlopeControllers, local: true},
	{name: "herd-20", run: herdMemory, local: true},
	{name: "herd-20-refused", run: herdRefused, local: true},
	{name: "slow-cluster", run: slowCluster, local: true},
	{name: "snapshot-1m", run: snapshot1m, local: true},
	{name: "create-to-ready", run: createToReady},
	{name: "partitions-get", run: partitionsGet},
	{name: "topic-create-one", run: topicCreateOne},
	{name: "topics-1000-parallel", run: topicsParallel},
	{name: "topics-1000-serial", run: topicsSerial},
	{name: "converge-1000", run: converge},
	{name: "create-at-10k", run: createAt10k},
	{name: "list-10k", run: list10k},
	{name: "quiet-10k-cpu", run: quietCPU},
	{name: "quiet-10k-rpcs", run: quietRPCs},
	{name: "quiet-10k-writes", run: quietWrites},
	{name: "memory-10k", run: memory10k},
}

func main() {
	process.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := flag.String("out", ".local/bench/results.json", "file for the results")
	only := flag.String("only", "", "comma-separated names of the benchmarks to run; all when empty")
	dns := flag.String("dns", "10.240.0.1:53", "the cluster's DNS server, which resolves the addresses that brokers advertise")
	scale := flag.Float64("scale", 1, "part of its size that a benchmark without a cluster has, to try it; only 1 counts")
	flag.Parse()
	if err := run(ctx, *out, *only, *dns, *scale); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out, only, dns string, scale float64) error {
	if scale <= 0 || scale > 1 {
		return fmt.Errorf("-scale: %v is not above 0 and at most 1", scale)
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	b := newBed(scale)
	if slices.ContainsFunc(chosen, func(of benchmark) bool { return !of.local }) {
		if err := b.connect(dns); err != nil {
			return err
		}
	}
	defer b.close(context.WithoutCancel(ctx))
	var results []result
	var failed []error
	for _, benchmark := range chosen {
		b.progress("measuring %s", benchmark.name)
		r, err := benchmark.run(ctx, b)
		if err != nil {
			failed = append(failed, fmt.Errorf("measure %s: %w", benchmark.name, err))
			b.progress("%v", failed[len(failed)-1])
			continue
		}
		r.Name = benchmark.name
		results = append(results, r)
	}
	failed = append(failed, write(out, results), print(os.Stdout, results))
	return errors.Join(failed...)
}

// choose are the benchmarks of a comma-separated list of names, all when it is empty.
func choose(only string) ([]benchmark, error) {
	if only == "" {
		return benchmarks, nil
	}
	var names []string
	var chosen []benchmark
	wanted := strings.Split(only, ",")
	for _, benchmark := range benchmarks {
		names = append(names, benchmark.name)
		if slices.Contains(wanted, benchmark.name) {
			chosen = append(chosen, benchmark)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("there is no benchmark %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

func write(path string, results []result) error {
	content, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

func print(w io.Writer, results []result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVALUE\tBASELINE\tRATIO\tGOAL\tBASELINE IS")
	for _, r := range results {
		baseline, ratio, goal := "-", "-", fmt.Sprintf("≤ %.4g %s", r.Goal, r.Unit)
		if r.Baseline != nil {
			baseline = fmt.Sprintf("%.1f %s", *r.Baseline, r.Unit)
		}
		if r.Ratio != nil {
			ratio, goal = fmt.Sprintf("%.2f", *r.Ratio), fmt.Sprintf("≤ %.2f", r.Goal)
		}
		fmt.Fprintf(table, "%s\t%.1f %s\t%s\t%s\t%s\t%s\n", r.Name, r.Value, r.Unit, baseline, ratio, goal, r.BaselineName)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	return nil
}

// percentile is the duration that p percent of some durations do not exceed.
func percentile(durations []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[(len(sorted)*p+99)/100-1]
}

// median is the middle of some durations.
func median(durations []time.Duration) time.Duration { return percentile(durations, 50) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
