package apiserver_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

const group = "/apis/kafka.openshift.io/v1beta1/namespaces/bodies/"

// ways are how requests come to the server: over both versions of HTTP, and through a proxy as that of the aggregator.
func ways(t *testing.T) map[string]func(*http.Request) (*http.Response, error) {
	t.Helper()
	host, err := url.Parse(server.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	client := func(protocols ...string) *http.Client {
		config := rest.CopyConfig(server.Config)
		config.NextProtos = protocols
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	direct := func(client *http.Client) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			req.URL.Scheme, req.URL.Host = host.Scheme, host.Host
			return client.Do(req)
		}
	}
	second := client()
	proxy := httputil.NewSingleHostReverseProxy(host)
	proxy.Transport = second.Transport
	proxy.ErrorHandler = func(w http.ResponseWriter, req *http.Request, err error) {
		t.Errorf("the proxy failed: %s: %v", req.URL.Path, err)
		w.WriteHeader(http.StatusBadGateway)
	}
	aggregator := httptest.NewServer(proxy)
	t.Cleanup(aggregator.Close)
	front, err := url.Parse(aggregator.URL)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(*http.Request) (*http.Response, error){
		"HTTP/1.1": direct(client("http/1.1")),
		"HTTP/2":   direct(second),
		"aggregator": func(req *http.Request) (*http.Response, error) {
			req.URL.Scheme, req.URL.Host = front.Scheme, front.Host
			return aggregator.Client().Do(req)
		},
	}
}

// One request with millions of empty objects made gigabytes of heap, whatever resource it was for.
func TestBodiesAreJudgedBeforeTheyAreDecoded(t *testing.T) {
	empty := func(size int) string { return strings.Repeat(`{},`, size/3) + `{}` }
	topic := func(size int) string {
		return `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"a","ownerReferences":[` + empty(size) + `]},"spec":{"clusterRef":{"name":"k"}}}`
	}
	records := func(records string) string {
		return `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicRecords","spec":{"records":[` + records + `]}}`
	}
	const mebibyte = 1 << 20
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(zip, topic(15*mebibyte))
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		method, path, media, body string
		code                      int
		says                      string
	}{
		"a long topic":               {"POST", "kafkatopics", "application/json", `{"metadata":{"annotations":{"a":"` + strings.Repeat("x", 2*mebibyte) + `"}}}`, 413, "more than 1572864 bytes"},
		"a topic of many things":     {"POST", "kafkatopics", "application/json", topic(mebibyte), 413, "more than 10000 elements"},
		"a Kafka of many things":     {"POST", "kafkas", "application/json", topic(mebibyte), 413, "more than 10000 elements"},
		"an update":                  {"PUT", "kafkatopics/a", "application/json", topic(mebibyte), 413, "more than 10000 elements"},
		"a status":                   {"PUT", "kafkatopics/a/status", "application/json", topic(mebibyte), 413, "more than 10000 elements"},
		"a merge patch":              {"PATCH", "kafkatopics/a", "application/merge-patch+json", topic(mebibyte), 413, "more than 10000 elements"},
		"a strategic patch":          {"PATCH", "kafkas/a/scale", "application/strategic-merge-patch+json", topic(mebibyte), 413, "more than 10000 elements"},
		"a patch":                    {"PATCH", "kafkatopics/a", "application/json-patch+json", `[` + empty(mebibyte) + `]`, 413, "more than 10000 elements"},
		"a server-side apply":        {"PATCH", "kafkatopics/a?fieldManager=x", "application/apply-patch+yaml", topic(mebibyte), 413, "more than 10000 elements"},
		"YAML":                       {"POST", "kafkatopics", "application/yaml", "metadata:\n  ownerReferences:\n" + strings.Repeat("  - {}\n", 20_000), 413, "more than 10000 elements"},
		"options of a delete":        {"DELETE", "kafkatopics/a", "application/json", `{"dryRun":["` + strings.Repeat("x", mebibyte) + `"]}`, 413, "more than 65536 bytes"},
		"options of many deletes":    {"DELETE", "kafkatopics", "application/json", `{"dryRun":[` + strings.Repeat(`"",`, 2_000) + `""]}`, 413, "more than 1000 elements"},
		"records of nothing":         {"POST", "kafkatopics/a/records", "application/json", records(empty(15 * mebibyte)), 413, "more than 400000 elements"},
		"headers of nothing":         {"POST", "kafkatopics/a/records", "application/json", records(`{"value":"x","headers":[` + empty(15*mebibyte) + `]}`), 413, "more than 400000 elements"},
		"a record that is too large": {"POST", "kafkatopics/a/records", "application/json", records(`{"value":"` + strings.Repeat("x", 17*mebibyte) + `"}`), 413, "more than 16777216 bytes"},
		"partitions":                 {"PUT", "kafkatopics/a/partitions", "application/json", topic(3 * mebibyte), 413, "more than 200000 elements"},
		"gzip":                       {"POST", "kafkatopics", "application/json", zipped.String(), 400, ""},
		// What is right is let through: the object that it is about is not there.
		"a large record": {"POST", "kafkatopics/a/records", "application/json", records(`{"value":"` + strings.Repeat(`{},\"`, 3*mebibyte) + `"}`), 404, "not found"},
	} {
		for way, do := range ways(t) {
			for _, known := range []bool{true, false} {
				req, err := http.NewRequestWithContext(t.Context(), tc.method, group+tc.path, strings.NewReader(tc.body))
				if err != nil {
					t.Fatal(err)
				}
				if !known {
					req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(tc.body))
				}
				req.Header.Set("Content-Type", tc.media)
				if tc.body == zipped.String() {
					req.Header.Set("Content-Encoding", "gzip")
				}
				what := fmt.Sprintf("%s over %s, length known: %t", name, way, known)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				resp, err := do(req)
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				answer, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != tc.code || !strings.Contains(string(answer), tc.says) || !strings.Contains(string(answer), `"kind":"Status"`) {
					t.Errorf("%s: %d, %.300s, %v; want a %d that says %q", what, resp.StatusCode, answer, err, tc.code, tc.says)
				}
				runtime.ReadMemStats(&after)
				if got := (after.TotalAlloc - before.TotalAlloc) >> 20; tc.code != 404 && got > 128 {
					t.Errorf("%s: %d MiB were allocated", what, got)
				}
			}
		}
	}
}
