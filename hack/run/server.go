package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	readyLimit = 60 * time.Second
	stopGrace  = 20 * time.Second
	readyPoll  = 200 * time.Millisecond
)

// serverArgs are the arguments of kafka-apiserver. PORT chooses another port than its own default.
func serverArgs(p places, bootstrap string) []string {
	args := []string{"standalone", "--data-dir", p.data(), "--kubeconfig-out", p.kubeconfig(), "--bootstrap-servers", bootstrap}
	if port := os.Getenv("PORT"); port != "" {
		args = append(args, "--port", port)
	}
	return args
}

// A server is the running kafka-apiserver.
type server struct {
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{}
}

func startServer(p places, bootstrap string) (*server, error) {
	log, err := os.Create(p.log())
	if err != nil {
		return nil, fmt.Errorf("opening the log of kafka-apiserver: %w", err)
	}
	s := &server{cmd: exec.Command(p.program(), serverArgs(p, bootstrap)...), started: time.Now(), ended: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = p.local, log, log
	if err := kafkaproc.StartTied(s.cmd, func() { log.Close(); close(s.ended) }); err != nil {
		return nil, fmt.Errorf("starting kafka-apiserver: %w", err)
	}
	return s, nil
}

// waitReady waits until the server has written its kubeconfig and says with it that it is ready.
func (s *server) waitReady(ctx context.Context, p places) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	var last error
	for {
		// An older file is another server's.
		if info, err := os.Stat(p.kubeconfig()); err == nil && !info.ModTime().Before(s.started.Truncate(time.Second)) {
			out, err := exec.CommandContext(ctx, p.kubectl(), "--kubeconfig", p.kubeconfig(), "get", "--raw", "/readyz").CombinedOutput()
			if err == nil {
				return nil
			}
			last = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		select {
		case <-s.ended:
			return fmt.Errorf("kafka-apiserver ended while starting; the end of %s:\n%s", p.log(), tail(p.log()))
		case <-ctx.Done():
			return fmt.Errorf("waiting for kafka-apiserver to be ready: %w; the end of %s:\n%s", errors.Join(ctx.Err(), last), p.log(), tail(p.log()))
		case <-tick.C:
		}
	}
}

// stop ends the server, by force if it takes too long.
func (s *server) stop() error {
	if err := syscall.Kill(s.cmd.Process.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping kafka-apiserver: %w", err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopGrace):
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing kafka-apiserver: %w", err)
	}
	<-s.ended
	return nil
}

// tail returns the last lines of a log.
func tail(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	const most = 3000
	return bytes.TrimSpace(content[max(0, len(content)-most):])
}
