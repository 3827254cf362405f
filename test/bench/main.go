// Command bench measures kafka-apiserver in the cluster of the current kubeconfig,
// each figure as a ratio against a baseline of the same run. It prints a table,
// writes results.json, and never fails because something was slow.
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
)

// result is one measurement. Ratio is value divided by baseline, and Goal what the ratio should not exceed.
type result struct {
	Name         string  `json:"name"`
	Value        float64 `json:"value"`
	Unit         string  `json:"unit"`
	Baseline     float64 `json:"baseline"`
	BaselineName string  `json:"baselineName"`
	Ratio        float64 `json:"ratio"`
	Goal         float64 `json:"goal"`
}

// benchmark measures one thing.
type benchmark struct {
	name string
	run  func(context.Context, *bed) (result, error)
}

var benchmarks = []benchmark{
	{"create-to-ready", createToReady},
	{"partitions-get", partitionsGet},
	{"topic-create-one", topicCreateOne},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := flag.String("out", ".local/bench/results.json", "file for the results")
	only := flag.String("only", "", "comma-separated names of the benchmarks to run; all when empty")
	dns := flag.String("dns", "10.240.0.1:53", "the cluster's DNS server, which resolves the addresses that brokers advertise")
	flag.Parse()
	if err := run(ctx, *out, *only, *dns); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out, only, dns string) error {
	b, err := newBed(dns)
	if err != nil {
		return err
	}
	defer b.close(context.WithoutCancel(ctx))
	var results []result
	var failed []error
	for _, benchmark := range benchmarks {
		if only != "" && !slices.Contains(strings.Split(only, ","), benchmark.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", benchmark.name)
		r, err := benchmark.run(ctx, b)
		if err != nil {
			failed = append(failed, fmt.Errorf("measure %s: %w", benchmark.name, err))
			continue
		}
		r.Name, r.Ratio = benchmark.name, r.Value/r.Baseline
		results = append(results, r)
	}
	failed = append(failed, write(out, results), print(os.Stdout, results))
	return errors.Join(failed...)
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
		fmt.Fprintf(table, "%s\t%.1f %s\t%.1f %s\t%.2f\t≤ %.2f\t%s\n", r.Name, r.Value, r.Unit, r.Baseline, r.Unit, r.Ratio, r.Goal, r.BaselineName)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	return nil
}

// median is the middle of some durations.
func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
