//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// A page below docs with a line
//
//	<!-- run: namespace streams -->
//
// is run: its blocks of the kind ```console are typed into one shell, from top to bottom, in a namespace of that name with a Kafka
// my-cluster of three brokers. In a block, "$ " begins a command and "> " goes on with it; the lines below are what it prints.
// They have to be there in that order, and may be a part of it; "..." in a line stands for anything. Brokers that take long for a moment
// are waited for: a get that prints "unknown", or says that it is of an earlier time, is repeated for half a minute. A command whose output is
// shown to begin with "Error", or with a line that says "is invalid:", has to fail, unless it
// goes on after "||"; any other has to succeed.
var runLine = regexp.MustCompile(`(?m)^<!-- run: namespace ([a-z0-9-]+) -->$`)

// docLimit bounds one page.
const docLimit = 5 * time.Minute

// informed is a function of the shell that a page is typed into. It runs a command, again while that does not know what the brokers have.
const informed = `informed() {
  local output code
  for _ in {1..30}; do
    output=$(eval "$1" 2>&1)
    code=$?
    [[ ${output} == *unknown* || ${output} == *" is as of "* ]] || break
    sleep 1
  done
  printf '%s\n' "${output}"
  return "${code}"
}
`

// step is a command of a page and the lines that it is said to print.
type step struct {
	line     int
	command  string
	expected []string
}

// script is the command as it is run. What a page does not show to be unknown or old is asked again while it is.
func (s step) script() string {
	if !strings.HasPrefix(s.command, "kubectl get ") || strings.Contains(strings.Join(s.expected, "\n"), "unknown") {
		return s.command
	}
	return "informed '" + strings.ReplaceAll(s.command, "'", `'\''`) + "'"
}

func (s step) fails() bool {
	if strings.Contains(s.command, "||") || len(s.expected) == 0 {
		return false
	}
	return strings.HasPrefix(strings.ToLower(s.expected[0]), "error") || strings.Contains(s.expected[0], " is invalid: ")
}

// consoleSteps reads the commands of a page.
func consoleSteps(page string) []step {
	var steps []step
	inside := false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: i + 1, command: line[2:]})
		case len(steps) == 0:
		case strings.HasPrefix(line, "> ") && len(steps[len(steps)-1].expected) == 0:
			steps[len(steps)-1].command += "\n" + line[2:]
		case strings.TrimSpace(line) != "":
			steps[len(steps)-1].expected = append(steps[len(steps)-1].expected, line)
		}
	}
	return steps
}

// missing is the first expected line that an output does not have after those before it; "" when it has all.
func missing(output string, expected []string) string {
	lines := strings.Split(output, "\n")
	for _, want := range expected {
		if strings.TrimSpace(want) == "..." {
			continue
		}
		parts := strings.Split(strings.TrimSpace(want), "...")
		for i := range parts {
			// Columns are as wide as their content.
			parts[i] = regexp.MustCompile(`\s+`).ReplaceAllString(regexp.QuoteMeta(parts[i]), `\s+`)
		}
		pattern := regexp.MustCompile(strings.Join(parts, ".*"))
		at := 0
		for at < len(lines) && !pattern.MatchString(lines[at]) {
			at++
		}
		if at == len(lines) {
			return want
		}
		lines = lines[at+1:]
	}
	return ""
}

// Every example of the documentation does what it says. It runs beside no other test: the controllers work in all namespaces.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(cluster.Root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	cluster.StartControllers(t)
	ran := 0
	for _, path := range pages {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if run := runLine.FindStringSubmatch(string(content)); run != nil {
			ran++
			t.Run(filepath.Base(path), func(t *testing.T) { runPage(t, run[1], consoleSteps(string(content))) })
		}
	}
	if ran == 0 {
		t.Error("no page is run")
	}
}

func runPage(t *testing.T, namespace string, steps []step) {
	t.Helper()
	docNamespace(t, namespace)
	newKafka(t, namespace, cluster.Kafka)
	const mark = "=== step"
	script := &strings.Builder{}
	script.WriteString(informed)
	for i, s := range steps {
		fmt.Fprintf(script, "echo '%s %d'\n%s\ncode=$?; echo; echo \"%s ended $code\"\n", mark, i, s.script(), mark)
	}
	ctx, cancel := context.WithTimeout(t.Context(), docLimit)
	defer cancel()
	file := filepath.Join(t.TempDir(), "page.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(ctx, "bash", file)
	shell.Dir = cluster.Root
	shell.Env = append(os.Environ(), "KUBECONFIG="+docKubeconfig(t, namespace), "PATH="+filepath.Dir(cluster.Programs["kubectl"])+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	if err := shell.Run(); err != nil {
		t.Fatalf("the shell ended with %v:\n%s", err, out.String())
	}
	for i, s := range steps {
		_, rest, _ := strings.Cut(out.String(), fmt.Sprintf("%s %d\n", mark, i))
		output, code, found := strings.Cut(rest, "\n"+mark+" ended ")
		if !found {
			t.Fatalf("line %d: %s: never ended:\n%s", s.line, s.command, rest)
		}
		code, _, _ = strings.Cut(code, "\n")
		if failed := code != "0"; failed != s.fails() {
			t.Errorf("line %d: %s: exit code %s\n%s", s.line, s.command, code, output)
		} else if line := missing(output, s.expected); line != "" {
			t.Errorf("line %d: %s: does not print %q, but\n%s", s.line, s.command, line, output)
		}
	}
}

// docNamespace makes a namespace, after one of an earlier page has gone.
func docNamespace(t *testing.T, name string) {
	t.Helper()
	namespaces := cluster.Kubernetes.CoreV1().Namespaces()
	harness.Eventually(t, time.Minute, "the namespace is free", func() string {
		_, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	t.Cleanup(func() {
		ctx := context.Background()
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		harness.Eventually(t, time.Minute, "the namespace goes", func() string {
			if _, err := namespaces.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Sprintf("it is there (%v)", err)
			}
			return ""
		})
	})
}

// docKubeconfig is the administrator's, with the namespace as the default one.
func docKubeconfig(t *testing.T, namespace string) string {
	t.Helper()
	content, err := os.ReadFile(cluster.Host.AdminKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cluster.KubectlOf(t, path, "", "config set-context --current --namespace="+namespace); r.ExitCode != 0 {
		t.Fatal(r.Stderr)
	}
	return path
}
