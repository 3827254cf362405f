package apiserver

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/request"
)

func bodyRequest(t *testing.T, body string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(request.WithRequestInfo(t.Context(), &request.RequestInfo{IsResourceRequest: true, Verb: "create",
		APIGroup: "kafka.openshift.io", Resource: "kafkatopics", Subresource: "records"}), http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return req
}

// Each request alone is small enough; together they must be, too.
func TestBodiesShareABudget(t *testing.T) {
	const half = 2 << 20
	budget := newBodies(2 * half * byteWeight)
	read, answer := make(chan error), make(chan struct{})
	large := `"` + strings.Repeat("x", half) + `"`
	blocking := budget.limit(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, err := io.ReadAll(req.Body)
		read <- err
		<-answer
	}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		blocking.ServeHTTP(httptest.NewRecorder(), bodyRequest(t, large))
	}()
	if err := <-read; err != nil {
		t.Fatalf("the first: %v", err)
	}
	var second error
	reading := budget.limit(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, second = io.ReadAll(req.Body)
	}))
	reading.ServeHTTP(httptest.NewRecorder(), bodyRequest(t, large))
	if seconds, ok := apierrors.SuggestsClientDelay(second); !apierrors.IsTooManyRequests(second) || !ok || seconds != retryBodies {
		t.Errorf("a second beside it: %v, want a 429 that says when to try again", second)
	}
	reading.ServeHTTP(httptest.NewRecorder(), bodyRequest(t, `{"a":1}`))
	if second != nil {
		t.Errorf("a small one beside it: %v", second)
	}
	close(answer)
	<-ended
	reading.ServeHTTP(httptest.NewRecorder(), bodyRequest(t, large))
	if second != nil {
		t.Errorf("when the first is answered: %v", second)
	}
	// The largest one is let in whatever the budget is, alone.
	reading.ServeHTTP(httptest.NewRecorder(), bodyRequest(t, `"`+strings.Repeat("x", 4*half)+`"`))
	if second != nil {
		t.Errorf("one that is larger than the budget: %v", second)
	}
	if !budget.budget.TryAcquire(budget.size) {
		t.Error("not all of the budget came back")
	}
}

// Patches are decoded by the type before the parameters, whether these can be read or not.
func TestTheTypeOfABodyIsWhatItsHandlerTakesItFor(t *testing.T) {
	for _, contentType := range []string{"application/apply-patch+yaml", "application/apply-patch+yaml; =", "application/apply-patch+yaml;charset"} {
		if counter, _ := counterFor(contentType, bodyLimit{maxStoredBody, 10_000}); !isYAML(counter) {
			t.Errorf("%q is counted by %T", contentType, counter)
		}
	}
}

func isYAML(counter elementCounter) bool {
	_, is := counter.(*yamlElements)
	return is
}

// Whoever sends a large body slowly keeps others out, so that he has a bounded time for it; over the same connection he may try again.
func TestALargeBodyHasToArriveInTime(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			budget := newBodies(4 << 20)
			budget.patience = func(int64) time.Duration { return 200 * time.Millisecond }
			got := make(chan error, 1)
			info := &request.RequestInfo{IsResourceRequest: true, Verb: "create", APIGroup: "kafka.openshift.io", Resource: "kafkatopics", Subresource: "records"}
			limited := budget.limit(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				_, err := io.ReadAll(req.Body)
				if err == nil {
					// What takes long afterwards is not hurried.
					select {
					case <-req.Context().Done():
						err = req.Context().Err()
					case <-time.After(500 * time.Millisecond):
					}
				}
				got <- err
			}))
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				limited.ServeHTTP(w, req.WithContext(request.WithRequestInfo(req.Context(), info)))
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			post := func(body io.Reader) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if answer, err := server.Client().Do(req); err == nil {
					_ = answer.Body.Close()
				}
			}
			post(strings.NewReader(`"` + strings.Repeat("x", 1<<20) + `"`))
			if err := <-got; err != nil {
				t.Errorf("one that arrives: %v", err)
			}
			slow, writer := io.Pipe()
			go post(slow)
			_, _ = io.WriteString(writer, `"`+strings.Repeat("x", 1<<20))
			if err := <-got; apierrors.ReasonForError(err) != metav1.StatusReasonTimeout || !strings.Contains(err.Error(), "200ms") {
				t.Errorf("one that does not: %v", err)
			}
			_ = writer.Close()
			post(strings.NewReader(`{"a":1}`))
			if err := <-got; err != nil {
				t.Errorf("the next: %v", err)
			}
			if !budget.budget.TryAcquire(budget.size) {
				t.Error("some of the budget is still taken")
			}
		})
	}
}
