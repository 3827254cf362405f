package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
	"kafka.openshift.io/kafka-apiserver/hack/internal/debian"
	"kafka.openshift.io/kafka-apiserver/hack/internal/images"
	"kafka.openshift.io/kafka-apiserver/hack/internal/node"
	"kafka.openshift.io/kafka-apiserver/hack/internal/provisioner"
)

// downLimit bounds a whole `down`, so that it never hangs whatever is broken.
const downLimit = 3 * time.Minute

func up(ctx context.Context, args []string) error {
	flags, place := newFlags("up")
	// CI runs in a fresh checkout, where whatever another one left running is in the way.
	replace := flags.Bool("replace", os.Getenv("CI") != "", "stop the cluster of another checkout on this machine; true by default if $CI is set")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start := time.Now()
	cluster, root, err := place.cluster()
	if err != nil {
		return err
	}
	if err := debian.Ensure(ctx, os.Stderr); err != nil {
		return err
	}
	// Said before minutes of building, not after.
	if err := node.RequireRoot(); err != nil {
		return err
	}
	if cluster.Programs, err = programs(ctx, root, cluster.Layout); err != nil {
		return err
	}
	var archives []images.Archive
	builder := images.Builder{Root: root, Log: os.Stderr}
	for _, name := range []string{images.Pause, images.Kafka4, images.Kafka3} {
		archive, err := builder.Build(ctx, name, "")
		if err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	err = cluster.Up(ctx, *replace, func(ctx context.Context) error { return load(ctx, cluster, archives) })
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "the cluster is up after %v\n", time.Since(start).Round(100*time.Millisecond))
	fmt.Printf("export KUBECONFIG=%s PATH=%s:$PATH\n", cluster.Layout.Kubeconfig, cluster.Layout.Bin)
	return nil
}

func down(ctx context.Context, args []string) error {
	flags, place := newFlags("down")
	wipe := flags.Bool("wipe", false, "forget the cluster's objects, volumes and images too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cluster, _, err := place.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	return cluster.Down(ctx, *wipe)
}

func status(ctx context.Context, args []string) error {
	flags, place := newFlags("status")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cluster, _, err := place.cluster()
	if err != nil {
		return err
	}
	statuses := cluster.Status(ctx)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tPID\tHEALTH\tLOG")
	for _, s := range statuses {
		health := "healthy"
		if s.Problem != nil {
			health = s.Problem.Error()
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", s.Name, s.PID, health, s.Log)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	if !node.AllHealthy(statuses) {
		return errors.New("not every part is healthy: `cluster up` mends them")
	}
	return nil
}

func buildImages(ctx context.Context, args []string) error {
	flags, place := newFlags("images")
	doLoad := flags.Bool("load", false, "import the images into the running cluster, if it has them not yet")
	binary := flags.String("binary", "", "program to put into "+images.APIServer+"; built from the checkout if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cluster, root, err := place.cluster()
	if err != nil {
		return err
	}
	names := flags.Args()
	if len(names) == 0 {
		names = images.Names
	}
	builder := images.Builder{Root: root, Log: os.Stderr}
	var archives []images.Archive
	for _, name := range names {
		archive, err := builder.Build(ctx, name, *binary)
		if err != nil {
			return err
		}
		archives = append(archives, archive)
		fmt.Printf("%s=%s\n", archive.Name, archive.File)
	}
	if !*doLoad {
		return nil
	}
	return load(ctx, cluster, archives)
}

func loadImage(ctx context.Context, args []string) error {
	flags, place := newFlags("load-image")
	name := flags.String("name", "", "name of the image with its tag, as it is written in the archive (required)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *name == "" || flags.NArg() != 1 {
		return errors.New("usage: cluster load-image --name NAME FILE")
	}
	cluster, _, err := place.cluster()
	if err != nil {
		return err
	}
	file, err := filepath.Abs(flags.Arg(0))
	if err != nil {
		return fmt.Errorf("finding %s: %w", flags.Arg(0), err)
	}
	content, err := images.ContentOf(file)
	if err != nil {
		return err
	}
	return load(ctx, cluster, []images.Archive{{Name: *name, File: file, Content: content}})
}

func load(ctx context.Context, cluster node.Cluster, archives []images.Archive) error {
	for _, archive := range archives {
		if _, err := cluster.LoadImage(ctx, archive.Name, archive.File, archive.Content); err != nil {
			return err
		}
	}
	return nil
}

func buildBinaries(ctx context.Context, args []string) error {
	flags, place := newFlags("binaries")
	controlPlane := flags.Bool("control-plane", false, "build those of a Kubernetes without nodes, which the integration tests start")
	if err := flags.Parse(args); err != nil {
		return err
	}
	_, root, err := place.cluster()
	if err != nil {
		return err
	}
	names := flags.Args()
	switch {
	case *controlPlane && len(names) > 0:
		return errors.New("binaries takes either --control-plane or names")
	case *controlPlane:
		names = binaries.ControlPlane
	case len(names) == 0:
		names = binaries.Names
	}
	builder := binaries.Builder{Root: root, Log: os.Stderr}
	for _, name := range names {
		path, err := builder.Build(ctx, name)
		if err != nil {
			return err
		}
		fmt.Printf("%s=%s\n", name, path)
	}
	return nil
}

func provision(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("cluster provisioner", flag.ContinueOnError)
	var options provisioner.Options
	flags.StringVar(&options.Kubeconfig, "kubeconfig", "", "how to reach the cluster")
	flags.StringVar(&options.Folder, "folder", "", "folder that holds the volumes")
	flags.StringVar(&options.Listen, "listen", node.ProvisionerAddress, "address that answers /healthz")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if options.Kubeconfig == "" || options.Folder == "" {
		return errors.New("provisioner needs --kubeconfig and --folder")
	}
	return provisioner.Run(ctx, options)
}
