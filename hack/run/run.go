package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
	"kafka.openshift.io/kafka-apiserver/hack/internal/node"
	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// brokerHeapMiB leaves room for a few hundred topics beside a developer's other programs.
const brokerHeapMiB = 512

// places are the files of a run, all in the checkout's .local.
type places struct{ root, local string }

func (p places) broker() string     { return filepath.Join(p.local, "run", "kafka") }
func (p places) data() string       { return filepath.Join(p.local, "run", "apiserver") }
func (p places) log() string        { return filepath.Join(p.local, "run", "apiserver.log") }
func (p places) kubeconfig() string { return filepath.Join(p.local, "kubeconfig") }
func (p places) bin() string        { return filepath.Join(p.local, "bin") }
func (p places) program() string    { return filepath.Join(p.local, "bin", "kafka-apiserver") }
func (p places) kubectl() string    { return filepath.Join(p.local, "bin", "kubectl") }

// run starts everything and returns when ctx ends or a part does, after stopping the rest.
func run(ctx context.Context) (err error) {
	begin := time.Now()
	bootstrap := os.Getenv("BOOTSTRAP")
	needed := []string{"go"}
	if bootstrap == "" {
		needed = append(needed, "java", "mvn")
	}
	if err := kafkaproc.RequireTools(needed...); err != nil {
		return err
	}
	root, err := repo.Root()
	if err != nil {
		return err
	}
	p := places{root: root, local: filepath.Join(root, ".local")}
	for _, dir := range []string{p.broker(), p.data(), p.bin()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}

	brokerEnded := make(<-chan struct{}) // never, if the broker is not ours
	building := make(chan error, 1)
	go func() { building <- build(ctx, p) }()
	if bootstrap == "" {
		say("starting Apache Kafka %s", kafkaproc.Version4)
		cluster, startErr := kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: p.broker(), HeapMiB: brokerHeapMiB})
		if startErr != nil {
			return interrupted(ctx, startErr)
		}
		defer func() {
			say("stopping Apache Kafka")
			err = errors.Join(err, cluster.Close())
		}()
		bootstrap = strings.Join(cluster.Bootstrap(), ",")
		brokerEnded = cluster.Brokers[0].Done()
	}
	if err := <-building; err != nil {
		return interrupted(ctx, err)
	}

	say("starting kafka-apiserver")
	server, err := startServer(p, bootstrap)
	if err != nil {
		return err
	}
	defer func() {
		say("stopping kafka-apiserver")
		err = errors.Join(err, server.stop())
	}()
	if err := server.waitReady(ctx, p); err != nil {
		return interrupted(ctx, err)
	}
	printNext(p, bootstrap, time.Since(begin))

	select {
	case <-ctx.Done():
		return nil
	case <-brokerEnded:
		return fmt.Errorf("the broker ended by itself: see %s", filepath.Join(p.broker(), "node-0", "server.log"))
	case <-server.ended:
		return fmt.Errorf("kafka-apiserver ended by itself; the end of %s:\n%s", p.log(), tail(p.log()))
	}
}

// build makes kafka-apiserver, and kubectl: the one on the system may be too old for other subresources than scale and
// status.
func build(ctx context.Context, p places) error {
	say("building kafka-apiserver")
	if err := binaries.GoBuild(ctx, p.root, "./cmd/kafka-apiserver", p.program(), binaries.ProductFlags...); err != nil {
		return err
	}
	kubectl, err := binaries.Builder{Root: p.root, Log: os.Stdout}.Build(ctx, "kubectl")
	if err != nil {
		return err
	}
	return node.Link(kubectl, p.kubectl())
}

// interrupted hides what failed only because the user ended the command.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func printNext(p places, bootstrap string, took time.Duration) {
	say(`
kafka-apiserver is up after %v, with the brokers at %s as the Kafka object local.
Its log is %s. Ctrl-C stops everything; what is stored stays for the next run.

In another terminal, type:

export KUBECONFIG=%s PATH=%s:$PATH
kubectl get kafkas
kubectl create -f - <<END
apiVersion: kafka.openshift.io/v1beta1
kind: KafkaTopic
metadata: {name: orders}
spec: {clusterRef: {name: local}, partitions: 3, replicas: 1}
END
kubectl get kafkatopics -o wide
kubectl scale kafkatopic/orders --replicas=12
kubectl get kafkatopic orders --subresource=partitions
kubectl explain kafkatopic.spec
`, took.Round(100*time.Millisecond), bootstrap, p.log(), p.kubeconfig(), p.bin())
}
