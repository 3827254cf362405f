// Package process runs parts of the product in processes of their own, so that the memory and the requests of each can be told apart. They
// need no Kubernetes: the program that measures starts itself again as one of them.
package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	// startLimit bounds a start, which reads all that is stored, and stopLimit a stop.
	startLimit = 5 * time.Minute
	stopLimit  = time.Minute
	poll       = 50 * time.Millisecond
)

// Process is a part that runs.
type Process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
	// get reads a path of the process's own server.
	get func(ctx context.Context, path string, parameters map[string]string) ([]byte, error)
}

// APIServer is an API server with its etcd, on loopback and without controllers.
type APIServer struct {
	*Process
	// Config and Client may do everything.
	Config *rest.Config
	Client versioned.Interface

	kubeconfig string
}

// StartAPIServer starts an API server on a folder, and waits until it is ready.
func StartAPIServer(ctx context.Context, dir string) (*APIServer, error) {
	s := &APIServer{kubeconfig: kubeconfigIn(dir)}
	// That of an earlier start has another token and another port.
	if err := os.Remove(s.kubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var err error
	if s.Process, err = start(part{Name: apiServer, Dir: dir}); err != nil {
		return nil, err
	}
	if err := s.await(ctx, s.connect); err != nil {
		return nil, err
	}
	return s, nil
}

// connect fails until the server is ready.
func (s *APIServer) connect(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return err
	}
	// client-go would hold requests back to 5 a second.
	config.QPS = -1
	// That brokers are away is meant to be.
	config.WarningHandler = rest.NoWarnings{}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return err
	}
	s.Config, s.Client = config, client
	s.get = func(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
		request := client.Discovery().RESTClient().Get().AbsPath(path)
		for name, value := range parameters {
			request = request.Param(name, value)
		}
		return request.DoRaw(ctx)
	}
	_, err = s.get(ctx, "/readyz", nil)
	return err
}

// StartControllers starts the controllers of topics and of Kafkas that run elsewhere for an API server.
func (s *APIServer) StartControllers(ctx context.Context) (*Process, error) {
	p := part{Name: controllers, Dir: filepath.Dir(s.kubeconfig)}
	if err := os.Remove(p.address()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	process, err := start(p)
	if err != nil {
		return nil, err
	}
	process.get = func(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
		address, err := os.ReadFile(p.address())
		if err != nil {
			return nil, err
		}
		return read(ctx, "http://"+string(address)+path, parameters)
	}
	return process, process.await(ctx, func(ctx context.Context) error {
		_, err := process.get(ctx, "/metrics", nil)
		return err
	})
}

// start starts this program again as a part.
func start(p part) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	encoded, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the %s: %w", p.Name, err)
	}
	s := &Process{cmd: exec.Command(self), log: filepath.Join(p.Dir, p.Name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(s.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of the %s: %w", p.Name, err)
	}
	s.cmd.Env = append(os.Environ(), environment+"="+string(encoded))
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := kafkaproc.StartTied(s.cmd, func() { log.Close(); close(s.ended) }); err != nil {
		return nil, fmt.Errorf("start the %s: %w", p.Name, err)
	}
	return s, nil
}

// await waits until the process is ready. It is stopped when it never is.
func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, poll, startLimit, true, func(ctx context.Context) (bool, error) {
		select {
		case <-p.ended:
			return false, errors.New("it ended")
		default:
		}
		last = ready(ctx)
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	content, _ := os.ReadFile(p.log)
	return errors.Join(fmt.Errorf("wait until it is ready: %w, %w; the end of its log:\n%s", err, last, content[max(0, len(content)-2000):]), p.Stop())
}

// Stop ends the process and waits until it has ended.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopLimit):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return fmt.Errorf("%s did not end within %s", p.cmd.Path, stopLimit)
}

// Metrics is what the process says at /metrics.
func (p *Process) Metrics(ctx context.Context) ([]byte, error) { return p.get(ctx, "/metrics", nil) }

// LiveHeap is the bytes of the heap that are in use.
func (p *Process) LiveHeap(ctx context.Context) (float64, error) {
	var content []byte
	// What a pool holds is given up at the second collection.
	for range 2 {
		var err error
		if content, err = p.get(ctx, "/debug/pprof/heap", map[string]string{"gc": "1", "debug": "1"}); err != nil {
			return 0, fmt.Errorf("read the heap: %w", err)
		}
	}
	const field = "# HeapAlloc = "
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), field); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.New("the profile of the heap does not tell its size")
}

// Memory is how many bytes of the process are resident, and how many were at most.
func (p *Process) Memory() (resident, peak float64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return 0, 0, err
		}
		switch fields[0] {
		case "VmRSS:":
			resident = kib * 1024
		case "VmHWM:":
			peak = kib * 1024
		}
	}
	if resident == 0 || peak == 0 {
		return 0, 0, errors.New("/proc does not tell the memory of the process")
	}
	return resident, peak, nil
}

func read(ctx context.Context, url string, parameters map[string]string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	query := request.URL.Query()
	for name, value := range parameters {
		query.Set(name, value)
	}
	request.URL.RawQuery = query.Encode()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s says %s", url, response.Status)
	}
	return body.Bytes(), nil
}
