package proc

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStopEndsOnlyTheRecordedProcess(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "p.json")
	r, err := Start(Spec{Name: "sleep", Args: []string{"sleep", "60"}, Log: filepath.Join(dir, "log")}, pidFile)
	if err != nil {
		t.Fatal(err)
	}
	recycled := r
	recycled.StartTime++
	if err := recycled.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	read, alive := Read(pidFile)
	if !alive || read.PID != r.PID || read.StartTime != r.StartTime || read.Hash != r.Hash {
		t.Fatalf("after stopping a process of another start time: %+v alive=%v, want %+v alive", read, alive, r)
	}
	earlier := r
	earlier.Boot = "another"
	if earlier.Alive() {
		t.Error("a process of another boot counts as alive")
	}
	if err := r.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if r.Alive() {
		t.Error("alive after stop")
	}
}

func TestStopKillsWhatIgnoresTerm(t *testing.T) {
	dir := t.TempDir()
	r, err := Start(Spec{Name: "stubborn", Args: []string{"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"},
		Log: filepath.Join(dir, "log")}, filepath.Join(dir, "p.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), 100*time.Millisecond); err != nil || r.Alive() {
		t.Errorf("stop: %v, alive=%v", err, r.Alive())
	}
}

func TestParseStatSkipsTheProgramName(t *testing.T) {
	stat := []byte("7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0")
	if start, err := parseStat(stat); err != nil || start != 4242 {
		t.Errorf("start time %d, %v; want 4242", start, err)
	}
	if _, err := parseStat([]byte("7 (a) Z 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0")); err == nil {
		t.Error("a zombie counts as running")
	}
}

func TestHashCoversInputs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf")
	spec := Spec{Name: "x", Args: []string{"x"}, Inputs: []string{file}}
	var hashes [2]string
	for i, content := range []string{"a", "b"} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		if hashes[i], err = spec.Hash(); err != nil {
			t.Fatal(err)
		}
	}
	if hashes[0] == hashes[1] {
		t.Error("another configuration has the same hash")
	}
}
