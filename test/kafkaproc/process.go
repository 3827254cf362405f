package kafkaproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is what a JVM gets to end by itself before Close kills it.
const stopGrace = 30 * time.Second

// A Process is one server, a broker or a ZooKeeper: its folder, ports and command line stay the same over restarts.
type Process struct {
	ID   int    // broker.id, node.id or ZooKeeper's myid
	Addr string // host:port that clients use, on loopback
	Dir  string // configuration, data and log
	// ready returns nil once the server answers.
	ready func(ctx context.Context) error
	args  []string
	// listeners are the addresses of a broker's listeners besides the one at Addr, by name.
	listeners map[string]string

	mu   sync.Mutex
	cmd  *exec.Cmd     // nil if not running
	done chan struct{} // closed when cmd ended
}

// LogFile is where the server's output goes, over all its starts.
func (p *Process) LogFile() string { return filepath.Join(p.Dir, "server.log") }

// PID returns the id of the process, 0 if it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Done returns a channel that is closed when the running process ends. It is closed already if none runs.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return p.done
}

// Start starts the process on its folder and ports and returns when it answers. It does nothing to a process that runs.
func (p *Process) Start(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	return p.WaitReady(ctx)
}

// WaitReady waits until the server answers. It fails when the process ends, with the end of its log.
func (p *Process) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	done := p.Done()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for server %d at %s: %w (last: %w); the end of %s:\n%s", p.ID, p.Addr, ctx.Err(), err, p.LogFile(), logTail(p.LogFile()))
		case <-done:
			return fmt.Errorf("server %d at %s ended while starting; the end of %s:\n%s", p.ID, p.Addr, p.LogFile(), logTail(p.LogFile()))
		case <-tick.C:
		}
	}
}

// Stop asks the process to end (SIGTERM: a broker hands its partitions over first) and waits until it did.
func (p *Process) Stop(ctx context.Context) error { return p.end(ctx, syscall.SIGTERM) }

// Kill kills the process (SIGKILL) and waits until it is gone.
func (p *Process) Kill() error { return p.end(context.Background(), syscall.SIGKILL) }

// Suspend freezes the process (SIGSTOP) and waits until it is frozen: its connections stay open and nothing answers.
func (p *Process) Suspend() error {
	pid := p.PID()
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	// The signal is on its way when it has been sent: threads that run go on for a while, and may answer a request. The
	// kernel tells the parent once all have stopped; it is asked to tell again, so that freezing twice does not hang.
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for server %d to freeze: %w", p.ID, err)
		}
	}
}

// Resume lets a frozen process go on (SIGCONT).
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// Launch starts the process like Start and does not wait: a broker is ready when it knows all others.
func (p *Process) Launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	log, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of server %d: %w", p.ID, err)
	}
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, log, log
	done := make(chan struct{})
	if err := StartTied(cmd, func() { log.Close(); close(done) }); err != nil {
		return fmt.Errorf("starting server %d: %w", p.ID, err)
	}
	p.cmd, p.done = cmd, done
	return nil
}

// StartTied starts cmd in a process group of its own and so that it dies with this program, however that ends. It waits for
// it in the background and calls ended, which may read cmd.ProcessState, when it has ended. If cmd cannot be started,
// ended is called too.
func StartTied(cmd *exec.Cmd, ended func()) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that started the process ends, so this thread stays until the
		// process did.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
		ended()
	}()
	return <-started
}

// running is called with the lock held.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("sending %v to server %d: it does not run", s, p.ID)
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		return fmt.Errorf("sending %v to server %d: %w", s, p.ID, err)
	}
	return nil
}

func (p *Process) end(ctx context.Context, s syscall.Signal) error {
	p.mu.Lock()
	running, done := p.running(), p.done
	p.mu.Unlock()
	if !running {
		return nil
	}
	// A frozen process takes SIGTERM only once it goes on.
	for _, each := range []syscall.Signal{s, syscall.SIGCONT} {
		if err := p.signal(each); err != nil {
			select {
			case <-done:
				return nil
			default:
				return err
			}
		}
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for server %d to end: %w", p.ID, ctx.Err())
	}
}

// close ends the process politely if it is quick, by force otherwise.
func (p *Process) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if err := p.Stop(ctx); err == nil {
		return nil
	}
	return p.Kill()
}

func closeAll(processes []*Process, end func(*Process) error) error {
	errs := make([]error, len(processes))
	var wg sync.WaitGroup
	for i, p := range processes {
		wg.Go(func() { errs[i] = end(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func logTail(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	const most = 4000
	return bytes.TrimSpace(content[max(0, len(content)-most):])
}
