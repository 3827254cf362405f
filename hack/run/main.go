// Command run is `make run`: kafka-apiserver on loopback without any Kubernetes, beside one real Apache Kafka broker, for
// as long as the command runs. BOOTSTRAP=host:port,… uses brokers that run already instead,
// PORT another port than 8443.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := runHere(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "run: %v\n", err)
		os.Exit(1)
	}
}

// runHere runs with what the environment says, in the checkout around the working directory.
func runHere(ctx context.Context) error {
	root, err := repo.Root()
	if err != nil {
		return err
	}
	p := places{root: root, local: filepath.Join(root, ".local")}
	return run(ctx, p, options{bootstrap: os.Getenv("BOOTSTRAP"), port: os.Getenv("PORT")})
}
