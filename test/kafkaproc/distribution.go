package kafkaproc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

//go:embed layout
var layoutFS embed.FS

// A Distribution is one version of Apache Kafka on disk, laid out like /opt/kafka of the official image.
type Distribution struct {
	Version string
	Dir     string // holds bin, config and libs

	release release
}

// Libs is the Java class path of the distribution.
func (d Distribution) Libs() string { return filepath.Join(d.Dir, "libs", "*") }

// LoggingFlag is the Java flag that makes Kafka log to its standard output.
func (d Distribution) LoggingFlag() string {
	return d.loggingFlag("")
}

// loggingFlag names the configuration of that prefix: Kafka moved to the second log4j with 4.0.
func (d Distribution) loggingFlag(prefix string) string {
	if d.release.before(4, 0) {
		return "-Dlog4j.configuration=file:" + filepath.Join(d.Dir, "config", prefix+"log4j.properties")
	}
	return "-Dlog4j2.configurationFile=" + filepath.Join(d.Dir, "config", prefix+"log4j2.properties")
}

// Provision returns the distribution of version, fetching it with Maven into the cache if it is not there yet.
func Provision(ctx context.Context, version string) (Distribution, error) {
	v, err := parseRelease(version)
	if err != nil {
		return Distribution{}, err
	}
	pom, err := renderPOM(v, artifactsOf(v)...)
	if err != nil {
		return Distribution{}, err
	}
	// Even with the jars at hand nothing runs without it, and a JVM's own words about that are harder to read.
	if err := RequireTools("java"); err != nil {
		return Distribution{}, err
	}
	if err := requireJava(ctx); err != nil {
		return Distribution{}, err
	}
	layout, err := layoutOf(v)
	if err != nil {
		return Distribution{}, err
	}
	name := "kafka/" + version + "-" + layoutKey(pom, layout)
	dir, err := cache.Entry(ctx, name, func(ctx context.Context, dir string) error {
		return assemble(ctx, dir, pom, layout)
	})
	if err != nil {
		return Distribution{}, fmt.Errorf("provisioning Apache Kafka %s: %w", version, err)
	}
	return Distribution{Version: version, Dir: dir, release: v}, nil
}

// layoutOf returns the files of ours (path → content) that make jars a distribution of version: what is common, and what
// only its major version has. Those of 3 are good for 2, too.
func layoutOf(v release) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, sub := range []string{"layout/common", fmt.Sprintf("layout/%d", max(v.major(), 3))} {
		err := fs.WalkDir(layoutFS, sub, func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			content, err := layoutFS.ReadFile(p)
			files[strings.TrimPrefix(p, sub+"/")] = content
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the embedded layout: %w", err)
		}
	}
	return files, nil
}

// layoutKey changes whenever anything of ours that goes into a distribution does.
func layoutKey(pom []byte, layout map[string][]byte) string {
	h := sha256.New()
	h.Write(pom)
	for _, name := range sortedKeys(layout) {
		fmt.Fprintf(h, "\n%s %d\n", name, len(layout[name]))
		h.Write(layout[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func assemble(ctx context.Context, dir string, pom []byte, layout map[string][]byte) error {
	if err := RequireTools("mvn"); err != nil {
		return err
	}
	for name, content := range layout {
		mode := os.FileMode(0o644)
		if path.Dir(name) == "bin" {
			mode = 0o755
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("laying out %s: %w", name, err)
		}
		if err := os.WriteFile(file, content, mode); err != nil {
			return fmt.Errorf("laying out %s: %w", name, err)
		}
	}
	if err := fetchJars(ctx, pom, filepath.Join(dir, "libs")); err != nil {
		return err
	}
	jars, err := filepath.Glob(filepath.Join(dir, "libs", "kafka_2.13-*.jar"))
	if err != nil || len(jars) != 1 {
		return fmt.Errorf("mvn succeeded but left %d kafka_2.13 jars, want 1", len(jars))
	}
	return nil
}

// fetchJars copies the runtime dependencies of a pom into a folder.
func fetchJars(ctx context.Context, pom []byte, dir string) error {
	work, err := os.MkdirTemp("", "kafka-pom-")
	if err != nil {
		return fmt.Errorf("making a folder for the pom: %w", err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("writing the pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "--file", filepath.Join(work, "pom.xml"),
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching the jars with mvn dependency:copy-dependencies: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// howToGet says, for each tool that is needed, how to get it.
var howToGet = map[string]string{
	"go":   "Go 1.26 or later, from the Go project's downloads or your distribution",
	"java": "a JDK 17 or later: on Debian and Ubuntu `apt-get install openjdk-17-jdk-headless`, on Fedora `dnf install java-17-openjdk-devel`",
	"kcat": "kcat: on Debian and Ubuntu `apt-get install kcat`, on Fedora `dnf install kcat`",
	// The module is not in all installations of Python.
	"python3": "Python 3 with pip: on Debian and Ubuntu `apt-get install python3-pip`, on Fedora `dnf install python3-pip`",
	"mvn":     "Maven 3: on Debian and Ubuntu `apt-get install maven`, on Fedora `dnf install maven`",
}

// minJava is the oldest Java that Kafka 4 brokers run on.
const minJava = 17

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// requireJava returns an error if the java on PATH is too old.
func requireJava(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("asking java for its version: %w: %s", err, bytes.TrimSpace(out))
	}
	return checkJava(string(out))
}

func checkJava(output string) error {
	match := javaVersion.FindStringSubmatch(output)
	if match == nil {
		return fmt.Errorf("java does not tell its version: %q", output)
	}
	if major, err := strconv.Atoi(match[1]); err != nil || major < minJava {
		return fmt.Errorf("java on PATH is version %s, Kafka needs %d or later; install %s", match[1], minJava, howToGet["java"])
	}
	return nil
}

// RequireTools returns an error that names each of the tools missing from PATH and how to get it.
func RequireTools(tools ...string) error {
	var missing []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			how := howToGet[tool]
			if how == "" {
				how = "the program " + tool
			}
			missing = append(missing, fmt.Sprintf("%s is not on PATH; install %s", tool, how))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing tools: %s", strings.Join(missing, "; "))
	}
	return nil
}
