package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// clusterVariable names the folder of a cluster of files, and says to a kubectl that it is asked of that one.
	clusterVariable = "HARNESS_TEST_CLUSTER"
	// failVariable says that a test of a cluster is to fail, and how far it gets before that.
	failVariable = "HARNESS_TEST_FAIL"
)

// TestMain is three programs: the tests, the kubectl that they find, and a test of a cluster, which runs in a process of its own because it
// fails.
func TestMain(m *testing.M) {
	cluster := os.Getenv(clusterVariable)
	switch {
	case filepath.Base(os.Args[0]) == "kubectl":
		os.Exit(files(cluster).kubectl(os.Args[1:]))
	case cluster != "":
		testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestOfACluster", F: ofACluster}}, nil, nil)
	}
	os.Exit(m.Run())
}

// ofACluster is what the e2e tests are like.
func ofACluster(t *testing.T) {
	Remove(t, Made{Kafkas: []string{"k"}, Objects: []string{"pod/consumer"}})
	for _, step := range []string{"kafka/k", "kafkatopic/orders", "pod/consumer"} {
		if _, err := kubectl(t.Context(), "create", step); err != nil {
			t.Fatal(err)
		}
		if os.Getenv(failVariable) == step {
			t.Fatal("something is wrong")
		}
	}
}

// files are a cluster: an object is a file kind.name of the Kafka that it is of.
type files string

// kubectl knows as much of kubectl as is needed here: what it would ask for all in one it takes as a list of kinds.
func (f files) kubectl(args []string) int {
	line := strings.Join(args, " ")
	log, err := os.OpenFile(filepath.Join(string(f), "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer log.Close()
	fmt.Fprintln(log, line)
	switch args[0] {
	case "create":
		return f.create(args[1])
	case "get", "delete":
		for _, file := range f.matching(args) {
			kind, name, _ := strings.Cut(filepath.Base(file), ".")
			fmt.Println(kind + "/" + name)
			if args[0] == "get" {
				continue
			}
			if err := os.Remove(file); err != nil {
				panic(err)
			}
			if kind == "kafka" {
				f.collect(name)
			}
		}
	case "logs":
		fmt.Println("the log of " + args[1])
	case "events":
		fmt.Println("an event")
	case "wait":
	default:
		panic(line)
	}
	return 0
}

func (f files) create(object string) int {
	kind, name, _ := strings.Cut(object, "/")
	objects := map[string]string{kind + "." + name: "k"}
	if kind == "kafka" {
		objects["statefulset.k-kafka"], objects["pod.k-kafka-0"], objects["persistentvolumeclaim.data-k-kafka-0"] = "k", "k", "k"
	}
	if kind == "pod" {
		objects[kind+"."+name] = ""
	}
	for object, of := range objects {
		file := filepath.Join(string(f), "objects", object)
		if _, err := os.Stat(file); err == nil {
			fmt.Fprintf(os.Stderr, "AlreadyExists: %s\n", object)
			return 1
		}
		if err := os.WriteFile(file, []byte(of), 0o644); err != nil {
			panic(err)
		}
	}
	return 0
}

// collect does what the controllers and the garbage collector do when a Kafka is gone. They do nothing in a cluster where nobody knows the Kafka
// any more.
func (f files) collect(name string) {
	if _, err := os.Stat(filepath.Join(string(f), "lost")); err == nil {
		return
	}
	for _, file := range f.matching([]string{"delete", ofCluster, "-l", clusterLabel + name}) {
		if err := os.Remove(file); err != nil {
			panic(err)
		}
	}
}

func (f files) matching(args []string) []string {
	var of, one string
	kinds := strings.Split(args[1], ",")
	for i, arg := range args[1:] {
		if kind, name, found := strings.Cut(arg, "/"); found && i < 2 {
			kinds, one = []string{kind}, name
		}
		for _, selector := range []string{clusterLabel, "spec.clusterRef.name="} {
			if name, found := strings.CutPrefix(arg, selector); found {
				of = name
			}
		}
	}
	all, err := filepath.Glob(filepath.Join(string(f), "objects", "*"))
	if err != nil {
		panic(err)
	}
	return slices.DeleteFunc(all, func(file string) bool {
		kind, name, _ := strings.Cut(filepath.Base(file), ".")
		is, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		return !slices.Contains(kinds, kind) && !slices.Contains(kinds, kind+"s") || one != "" && name != one || of != "" && of != string(is)
	})
}

// newCluster is a cluster of files, with a kubectl for it.
func newCluster(t *testing.T) files {
	t.Helper()
	f := files(t.TempDir())
	if err := os.Mkdir(filepath.Join(string(f), "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	return f
}

// test runs the test of the cluster, and tells whether it passed and what it printed.
func (f files) test(t *testing.T, fail string) (bool, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, self, "-test.v")
	command.Env = append(os.Environ(), clusterVariable+"="+string(f), failVariable+"="+fail)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err = command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err == nil, out.String()
}

func (f files) left(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(string(f), "objects"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// However far a test got, nothing of it is left when it ends: one that failed passes when it is run once more.
func TestARunAfterAFailureStartsClean(t *testing.T) {
	for _, fail := range []string{"", "kafka/k", "kafkatopic/orders", "pod/consumer"} {
		for _, lost := range []bool{false, true} {
			if lost && fail == "" {
				// What nobody takes away fails a test that passes otherwise, and it takes its time.
				continue
			}
			t.Run(fmt.Sprintf("fails at %q, the Kafka is lost: %t", fail, lost), func(t *testing.T) {
				cluster := newCluster(t)
				if lost {
					if err := os.WriteFile(filepath.Join(string(cluster), "lost"), nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				passed, out := cluster.test(t, fail)
				if passed != (fail == "") {
					t.Fatalf("it passed: %t\n%s", passed, out)
				}
				if left := cluster.left(t); len(left) != 0 {
					t.Errorf("it left %v\n%s", left, out)
				}
				if lost {
					if err := os.Remove(filepath.Join(string(cluster), "lost")); err != nil {
						t.Fatal(err)
					}
				}
				if passed, out := cluster.test(t, ""); !passed {
					t.Errorf("once more it fails:\n%s", out)
				}
			})
		}
	}
}

// A failure is explained before what it was about is removed, and only a failure is.
func TestAFailureIsExplained(t *testing.T) {
	cluster := newCluster(t)
	_, out := cluster.test(t, "pod/consumer")
	asked, err := os.ReadFile(filepath.Join(string(cluster), "log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"get pods -o wide", "events", "get kafka/k -o jsonpath", "logs pod/k-kafka-0 --tail=40"} {
		at, removed := strings.Index(string(asked), want), strings.Index(string(asked), "delete")
		if at < 0 || removed < at {
			t.Errorf("%q is not asked before something is deleted:\n%s", want, asked)
		}
	}
	for _, want := range []string{"the log of pod/k-kafka-0", "an event", "by the clock on the wall"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	if _, out := newCluster(t).test(t, ""); strings.Contains(out, "an event") {
		t.Errorf("a test that passes is explained:\n%s", out)
	}
}

func TestAnExplanationIsBounded(t *testing.T) {
	lines := strings.Repeat("a line\n", 100)
	if got := last(lines, 3); got != "a line\na line\na line" {
		t.Errorf("three lines are %q", got)
	}
	if got := last(strings.Repeat("ü", mostBytes), 1); len(got) > mostBytes+len("…") || !strings.HasPrefix(got, "…ü") {
		t.Errorf("a long line has %d bytes", len(got))
	}
}

func TestClocksAreCompared(t *testing.T) {
	start := time.Now()
	// The clock on the wall is put forward by two minutes in the ten seconds that a test takes.
	forward := start.Add(10 * time.Second)
	if got := clocks(start, forward); !strings.Contains(got, "took 10s, and 10s by") {
		t.Error(got)
	}
	if got := clocks(start, forward.Round(0).Add(2*time.Minute)); !strings.Contains(got, "and 2m10s by") {
		t.Error(got)
	}
}
