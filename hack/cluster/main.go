// Command cluster runs a real one-node Kubernetes on this machine for development and tests: built from source, in a
// network namespace of its own, with everything that it keeps in one folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: cluster COMMAND [FLAG...] [ARGUMENT...]

  up           start the cluster, or mend it: what runs and is healthy is left alone
  down         stop it and take away what it put on the machine; --wipe forgets its objects, volumes and images too
  status       show its parts and their health; the exit code is 1 if one is not healthy
  images       build images (all, or those named) and print name=file; --load imports them into the cluster
  load-image   import an image archive into the cluster: load-image --name NAME FILE
  binaries     build programs (all, those named, or with --control-plane those of the integration tests) and print name=path
  provisioner  provision volumes (started by up)

Every command has --help.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	commands := map[string]func(context.Context, []string) error{
		"up":          up,
		"down":        down,
		"status":      status,
		"images":      buildImages,
		"load-image":  loadImage,
		"binaries":    buildBinaries,
		"provisioner": provision,
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(os.Stdout, usage)
		return nil
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
	return command(ctx, args[1:])
}
