//go:build long

package releases

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

// pythonClient is the Python client that judges, as pip knows it.
const pythonClient = "confluent-kafka==2.16.1"

// python runs testdata/client.py.
type python struct{ modules string }

// providePython installs the client into the cache if it is not there yet, for the Python that is on PATH.
func providePython(t *testing.T) python {
	t.Helper()
	if err := kafkaproc.RequireTools("python3"); err != nil {
		t.Fatal(err)
	}
	version, err := exec.CommandContext(t.Context(), "python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("python/%s-%s", strings.ReplaceAll(pythonClient, "==", "-"), strings.TrimSpace(string(version)))
	dir, err := cache.Entry(t.Context(), name, func(ctx context.Context, dir string) error {
		out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "install", "--quiet", "--target", dir, pythonClient).CombinedOutput()
		if err != nil {
			return fmt.Errorf("python3 -m pip install %s: %w\n%s", pythonClient, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return python{dir}
}

func (p python) run(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", append([]string{filepath.Join("testdata", "client.py")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+p.modules, "PYTHONDONTWRITEBYTECODE=1")
	return output(t, cmd, input)
}

func output(t *testing.T, cmd *exec.Cmd, input []byte) []byte {
	t.Helper()
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%.300q: %v\n%s", cmd.Args, err, complaints.Bytes())
	}
	return out
}

func (p python) write(t *testing.T, b *bed, topic, codec string, records []record) {
	t.Helper()
	var input bytes.Buffer
	for _, r := range records {
		// A slice of bytes is base64 in JSON, and nil is null.
		if err := json.NewEncoder(&input).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	p.run(t, input.Bytes(), "write", b.Kafka.Bootstrap()[0], topic, codec)
}

func (p python) read(t *testing.T, b *bed, topic string, count int) []record {
	t.Helper()
	var records []record
	for lines := json.NewDecoder(bytes.NewReader(p.run(t, nil, "read", b.Kafka.Bootstrap()[0], topic, fmt.Sprint(count)))); lines.More(); {
		var r record
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// kcatFormat tells the lengths of key and value, -1 for null, before their bytes.
const kcatFormat = `%T %K %S %h\n%k%s\n`

// kcatRead reads a topic with kcat. Its headers are text, in which a null value is NULL.
func kcatRead(t *testing.T, b *bed, topic string) []record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := output(t, exec.CommandContext(ctx, "kcat", "-C", "-q", "-e", "-b", b.Kafka.Bootstrap()[0], "-t", topic, "-p", "0", "-o", "beginning",
		"-X", "receive.message.max.bytes=100000000", "-X", "fetch.message.max.bytes=16000000", "-f", kcatFormat), nil)
	var records []record
	for in := bufio.NewReader(bytes.NewReader(out)); ; {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		var r record
		var key, value int
		if _, err := fmt.Sscan(line, &r.Time, &key, &value); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		for _, part := range []struct {
			size int
			to   *[]byte
		}{{key, &r.Key}, {value, &r.Value}} {
			if part.size < 0 {
				continue
			}
			*part.to = make([]byte, part.size)
			if _, err := io.ReadFull(in, *part.to); err != nil {
				t.Fatal(err)
			}
		}
		if fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4); len(fields) == 4 && fields[3] != "" {
			for _, h := range strings.Split(fields[3], ",") {
				name, text, _ := strings.Cut(h, "=")
				next := header{Name: name, Value: []byte(text)}
				if text == "NULL" {
					next.Value = nil
				}
				r.Headers = append(r.Headers, next)
			}
		}
		if end, err := in.ReadByte(); err != nil || end != '\n' {
			t.Fatalf("behind a record is %q, %v", end, err)
		}
		records = append(records, r)
	}
}

// kcatWrite writes one record with kcat, which takes the time from the clock.
func kcatWrite(t *testing.T, b *bed, topic, codec string, r record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"-P", "-q", "-b", b.Kafka.Bootstrap()[0], "-t", topic, "-p", "0", "-z", codec, "-X", "message.max.bytes=16000000"}
	for _, h := range r.Headers {
		option := h.Name
		if h.Value != nil {
			option += "=" + string(h.Value)
		}
		args = append(args, "-H", option)
	}
	// What is not text comes from a file; a line that is a key and a separator has a null value with -Z.
	if r.Value == nil {
		output(t, exec.CommandContext(ctx, "kcat", append(args, "-Z", "-K", "|")...), append(slices.Clone(r.Key), "|\n"...))
		return
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, r.Value, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.Key != nil {
		args = append(args, "-k", string(r.Key))
	}
	output(t, exec.CommandContext(ctx, "kcat", append(args, file)...), nil)
}

// manyRecords are records as hardly anybody writes them. Names and values of headers are text, which is what kcat shows.
func manyRecords(mark string, large int) []record {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	// Noise, so that no codec makes it small.
	noise := make([]byte, large)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	at := time.Date(2026, 1, 31, 8, 0, 0, int(7*time.Millisecond), time.UTC).UnixMilli()
	return append(slices.Clone(fewRecords(mark)[:4]),
		record{Key: everyByte, Value: everyByte, Time: 1},
		record{Key: []byte("headers"), Value: []byte("v"), Time: at + 5,
			Headers: []header{{"h", []byte("1")}, {"h", nil}, {"h", []byte("2")}, {"empty", []byte{}}, {"ü", []byte("ü")}}},
		record{Time: at + 6},
		record{Key: []byte("large"), Value: noise, Time: at + 7},
	)
}

// largest is what a record may take at most, here and in the brokers.
const largest = 10 << 20

// What two foreign clients write is read here byte for byte, and what is written here they read.
func TestForeignClients(t *testing.T) {
	if err := kafkaproc.RequireTools("kcat"); err != nil {
		t.Fatal(err)
	}
	client := providePython(t)
	s := testbed.Start(t, namespace)
	b := &bed{s.Add(t, release{version: kafkaproc.Version4, kraft: true}.start(t), "foreign")}
	config := v1beta1.TopicConfig{"max.message.bytes": fmt.Sprint(largest + 1<<20)}
	for _, codec := range slices.Sorted(maps.Keys(codecs)) {
		t.Run("Python "+codec, func(t *testing.T) {
			topic, want := "python-"+codec, manyRecords(codec, largest)
			b.newTopic(t, topic, 1, config)
			client.write(t, b, topic, codec, want)
			expectRecords(t, "written with Python, read here", b.log(t, topic), want)
			b.write(t, topic, want)
			want = append(want, want...)
			expectRecords(t, "written here, read with Python", client.read(t, b, topic, len(want)), want)
			expectRecords(t, "written here, read with kcat", kcatRead(t, b, topic), want)
			t.Logf("%d records both ways, the largest of %d bytes", len(want), largest)
		})
		t.Run("kcat "+codec, func(t *testing.T) {
			topic := "kcat-" + codec
			b.newTopic(t, topic, 1, config)
			var want []record
			for _, r := range manyRecords(codec, largest) {
				// Its options and lines cannot have these.
				if bytes.Contains(r.Key, []byte{0}) || r.Value != nil && len(r.Value) == 0 || r.Key == nil && r.Value == nil || r.Key != nil && len(r.Key) == 0 {
					continue
				}
				kcatWrite(t, b, topic, codec, r)
				want = append(want, r)
			}
			got := b.log(t, topic)
			for i := range got {
				if age := time.Since(time.UnixMilli(got[i].Time)); age < -patience || age > 2*patience {
					t.Errorf("record %d is %v old", i, age)
				}
				if i < len(want) {
					want[i].Time = got[i].Time
				}
			}
			expectRecords(t, "written with kcat, read here", got, want)
			t.Logf("%d records, the largest of %d bytes", len(want), largest)
		})
	}
}
