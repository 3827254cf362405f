// Package proc starts processes that outlive the program that started them, and finds and stops them later by what it
// wrote down. It never signals a process that is not surely the one that it started.
package proc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// pollInterval is how often a stopped process is looked at until it is gone.
const pollInterval = 20 * time.Millisecond

// A Spec says how a process is started. Two specs with the same Hash start the same thing.
type Spec struct {
	Name string
	Args []string // Args[0] is the program
	Dir  string
	Log  string   // file that gets standard output and error, appended
	Env  []string // added to the environment
	// Inputs are files whose content decides what the process does: if one changes, the process has to be restarted.
	Inputs []string
}

// Hash identifies the spec and the content of its inputs.
func (s Spec) Hash() (string, error) {
	h := sha256.New()
	for _, part := range append(append([]string{}, s.Args...), s.Env...) {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	for _, file := range s.Inputs {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading an input of %s: %w", s.Name, err)
		}
		fmt.Fprintf(h, "%d\n", len(content))
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// A Record is what is written down about a started process.
type Record struct {
	PID int `json:"pid"`
	// StartTime, in clock ticks since boot, tells the process from a later one with a recycled id. Boot tells it from one
	// of an earlier boot of the machine.
	StartTime uint64 `json:"startTime"`
	Boot      string `json:"boot"`
	Hash      string `json:"hash"`
	// Started is the time on the clock, for people and for comparing with what others report.
	Started time.Time `json:"started"`
}

// Start starts the process in a session of its own and writes its record to pidFile.
func Start(spec Spec, pidFile string) (Record, error) {
	hash, err := spec.Hash()
	if err != nil {
		return Record{}, err
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Record{}, fmt.Errorf("opening the log of %s: %w", spec.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = spec.Dir, log, log
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	record := Record{PID: cmd.Process.Pid, Hash: hash, Boot: bootID(), Started: time.Now().UTC()}
	record.StartTime, err = startTime(record.PID)
	if err == nil {
		err = write(pidFile, record)
	}
	if err != nil {
		killErr := cmd.Process.Kill()
		return Record{}, errors.Join(fmt.Errorf("recording %s: %w", spec.Name, err), killErr)
	}
	// Reaps it if it dies while this program still runs; otherwise a dead part would look alive.
	go func() { _ = cmd.Wait() }()
	return record, nil
}

// Read returns the record in pidFile, and whether its process still runs.
func Read(pidFile string) (Record, bool) {
	content, err := os.ReadFile(pidFile)
	if err != nil {
		return Record{}, false
	}
	var r Record
	if err := json.Unmarshal(content, &r); err != nil || r.PID <= 1 {
		return Record{}, false
	}
	return r, r.Alive()
}

// Alive reports whether the recorded process still runs.
func (r Record) Alive() bool {
	if r.PID <= 1 || r.Boot != bootID() {
		return false
	}
	start, err := startTime(r.PID)
	return err == nil && start == r.StartTime
}

// Stop ends the recorded process: politely, and after grace by force. It returns when the process is gone.
func (r Record) Stop(ctx context.Context, grace time.Duration) error {
	if !r.Alive() {
		return nil
	}
	// A stopped process would take the signal only when continued.
	_ = syscall.Kill(r.PID, syscall.SIGCONT)
	if err := syscall.Kill(r.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping process %d: %w", r.PID, err)
	}
	if r.waitGone(ctx, grace) {
		return nil
	}
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing process %d: %w", r.PID, err)
	}
	if r.waitGone(ctx, 10*time.Second) {
		return nil
	}
	return fmt.Errorf("process %d does not end even when killed", r.PID)
}

func (r Record) waitGone(ctx context.Context, limit time.Duration) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for r.Alive() {
		select {
		case <-ctx.Done():
			return false
		case <-deadline.C:
			return !r.Alive()
		case <-tick.C:
		}
	}
	return true
}

func write(pidFile string, r Record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := pidFile + ".tmp"
	if err := os.MkdirAll(filepath.Dir(pidFile), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(tmp, content, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, pidFile)
}

// startTime returns field 22 of /proc/PID/stat. A zombie counts as gone.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

func parseStat(stat []byte) (uint64, error) {
	// The second field is the program's name in parentheses and may itself hold spaces and parentheses.
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("unexpected content of /proc/PID/stat: %q", stat)
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // always there on Linux
	return string(bytes.TrimSpace(id))
}
