package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
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

// options are what the environment says.
type options struct {
	// bootstrap are brokers that run already, comma-separated; one is started when it is empty.
	bootstrap string
	// port is where the API is served; the server's own default when it is empty.
	port string
}

// run starts everything and returns when ctx ends or a part does, after stopping the rest.
func run(ctx context.Context, p places, o options) (err error) {
	begin := time.Now()
	needed := []string{"go"}
	if o.bootstrap == "" {
		needed = append(needed, "java", "mvn")
	}
	if err := kafkaproc.RequireTools(needed...); err != nil {
		return err
	}
	for _, dir := range []string{p.broker(), p.data(), p.bin()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}

	// No build goes on when this has returned.
	building, stopBuilding := context.WithCancel(ctx)
	var builds sync.WaitGroup
	defer builds.Wait()
	defer stopBuilding()

	brokerEnded := make(<-chan struct{}) // never, if the broker is not ours
	built := make(chan error, 1)
	builds.Go(func() {
		say("building kafka-apiserver")
		built <- binaries.GoBuild(building, p.root, "./cmd/kafka-apiserver", p.program(), binaries.ProductFlags...)
	})
	if o.bootstrap == "" {
		say("starting Apache Kafka %s", kafkaproc.Version4)
		cluster, startErr := kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: p.broker(), HeapMiB: brokerHeapMiB})
		if startErr != nil {
			return interrupted(ctx, startErr)
		}
		defer func() {
			say("stopping Apache Kafka")
			err = errors.Join(err, cluster.Close())
		}()
		o.bootstrap = strings.Join(cluster.Bootstrap(), ",")
		brokerEnded = cluster.Brokers[0].Done()
	}
	if err := <-built; err != nil {
		return interrupted(ctx, err)
	}

	say("starting kafka-apiserver")
	server, err := startServer(p, o)
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
	say("kafka-apiserver answers after %v", time.Since(begin).Round(100*time.Millisecond))
	// Whoever waits for kubectl has the API in the meantime.
	client := make(chan error, 1)
	builds.Go(func() { client <- p.provideKubectl(building) })

	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-client:
			if err != nil && ctx.Err() == nil {
				say("no kubectl: %v", err)
			}
			printNext(p, o.bootstrap)
		case <-brokerEnded:
			return fmt.Errorf("the broker ended by itself: see %s", filepath.Join(p.broker(), "node-0", "server.log"))
		case <-server.ended:
			return fmt.Errorf("kafka-apiserver ended by itself; the end of %s:\n%s", p.log(), tail(p.log()))
		}
	}
}

// interrupted hides what failed only because the user ended the command.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func printNext(p places, bootstrap string) {
	say(`
kafka-apiserver is up, with the brokers at %s as the Kafka object local.
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
`, bootstrap, p.log(), p.kubeconfig(), p.bin())
}
