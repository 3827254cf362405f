// brokersettings writes the tables of pkg/kafkaconfig/settings: what settings the brokers of each release have, and what values these
// take, as the release itself defines them (org.apache.kafka.common.config.ConfigDef). Run it in the folder hack when a release is added:
//
//	go run ./brokersettings
package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

//go:embed Export.java
var export []byte

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	work, err := os.MkdirTemp("", "brokersettings")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "Export.java")
	if err := os.WriteFile(program, export, 0o600); err != nil {
		return err
	}
	for _, release := range kafkaversion.Known() {
		kafka, err := kafkaproc.Provision(ctx, release)
		if err != nil {
			return err
		}
		var out, complaints bytes.Buffer
		// Java compiles a single file by itself.
		java := exec.CommandContext(ctx, "java", "--class-path", kafka.Libs(), program)
		java.Stdout, java.Stderr = &out, &complaints
		if err := java.Run(); err != nil {
			return fmt.Errorf("ask Kafka %s for its settings: %w\n%s", release, err, complaints.Bytes())
		}
		if err := os.WriteFile(filepath.Join("..", "pkg", "kafkaconfig", "settings", release+".tsv"), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
