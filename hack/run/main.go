// Command run is `make run`: kafka-apiserver on loopback without any Kubernetes, beside one real Apache Kafka broker, for
// as long as the command runs. BOOTSTRAP=host:port,… uses brokers that run already instead.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "run: %v\n", err)
		os.Exit(1)
	}
}
