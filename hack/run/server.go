package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	readyLimit = 60 * time.Second
	stopGrace  = 20 * time.Second
	readyPoll  = 200 * time.Millisecond
)

func serverArgs(p places, o options) []string {
	args := []string{"standalone", "--data-dir", p.data(), "--kubeconfig-out", p.kubeconfig(), "--bootstrap-servers", o.bootstrap}
	if o.port != "" {
		args = append(args, "--port", o.port)
	}
	return args
}

// A server is the running kafka-apiserver.
type server struct {
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{}
}

func startServer(p places, o options) (*server, error) {
	log, err := os.Create(p.log())
	if err != nil {
		return nil, fmt.Errorf("opening the log of kafka-apiserver: %w", err)
	}
	s := &server{cmd: exec.Command(p.program(), serverArgs(p, o)...), started: time.Now(), ended: make(chan struct{})}
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
			if last = askReady(ctx, p.kubeconfig()); last == nil {
				return nil
			}
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

// askReady asks a server for /readyz with the kubeconfig that it has written. There may be no kubectl yet.
func askReady(ctx context.Context, kubeconfig string) error {
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		return err
	}
	// The fields of a kubeconfig (k8s.io/client-go/tools/clientcmd/api/v1) that are needed here.
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server    string `json:"server"`
				Authority []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Token string `json:"token"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return fmt.Errorf("%s has not one cluster and one user", kubeconfig)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(config.Clusters[0].Cluster.Authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Clusters[0].Cluster.Server+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+config.Users[0].User.Token)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("/readyz says %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return nil
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
