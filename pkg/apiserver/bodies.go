package apiserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
)

const (
	// byteWeight and elementWeight are how much memory a byte and an element of a body take until the request is answered.
	byteWeight, elementWeight = 3, 256
	// freeBody is the memory of a body that needs no part of the budget: priority and fairness bound how many requests there are.
	freeBody = 256 << 10
	// bodyStep is how much of the budget a body takes at a time.
	bodyStep = 1 << 20
	// bodyPatience, and a second for each MiB that a body may have, is how long one that takes of the budget may take to arrive: whoever sends it
	// slowly, or not to its end, would keep all others out for as long as a request lasts.
	bodyPatience = 10 * time.Second
	// retryBodies is how many seconds a client is told to wait when the budget is used up.
	retryBodies = 1
)

// bodies is the budget, in bytes of memory, for the bodies of all requests that are read or worked on.
type bodies struct {
	budget *semaphore.Weighted
	size   int64
	// patience is how long a body that takes of the budget, of at most some bytes, may take to arrive.
	patience func(bytes int64) time.Duration
	// shapes are what bodies are decoded into. It is for before the first request.
	shapes shapes
}

func newBodies(size int64) *bodies {
	return &bodies{budget: semaphore.NewWeighted(size), size: size, patience: func(bytes int64) time.Duration {
		return bodyPatience + time.Duration(bytes>>20)*time.Second
	}}
}

// limit judges the body of each request while the handler reads it, which is before it is decoded. Whatever a handler does with an error
// of its body, it answers with the status that the error is.
func (b *bodies) limit(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		info, ok := request.RequestInfoFrom(req.Context())
		if !ok || req.Body == nil || req.Body == http.NoBody {
			handler.ServeHTTP(w, req)
			return
		}
		body := &judgedBody{ReadCloser: req.Body, bodies: b, limit: limitOfBody(info), length: req.ContentLength, what: bodyName(info),
			deadline: http.NewResponseController(w).SetReadDeadline}
		contentType := req.Header.Get("Content-Type")
		body.counter, body.limit = counterFor(contentType, body.limit)
		if isJSON(mediaType(contentType)) {
			body.text = &jsonText{}
		}
		if shape, has := b.shapes.of(info); has {
			body.check = shape.newCheck(contentType, info.Name)
		}
		defer body.give()
		req.Body = body
		handler.ServeHTTP(w, req)
	})
}

func bodyName(info *request.RequestInfo) string {
	name := info.Resource
	if info.Subresource != "" {
		name += "/" + info.Subresource
	}
	return info.Verb + " " + name
}

// judgedBody is a body that ends with an error where it is too much.
type judgedBody struct {
	io.ReadCloser
	bodies  *bodies
	limit   bodyLimit
	counter elementCounter
	what    string
	// length is what the client says that there is to come, -1 when it does not.
	length int64
	read   int64
	taken  int64
	err    error
	// text looks whether JSON is Unicode; nil when the body is no JSON.
	text *jsonText
	// check compares the body with its shape; nil when nobody does.
	check *bodyCheck
	// deadline sets until when what is still to come is read, hurried says that it did.
	deadline func(time.Time) error
	hurried  bool
}

// Read implements io.Reader.
func (b *judgedBody) Read(p []byte) (int, error) {
	if b.err == nil && b.length > b.limit.bytes {
		b.err = b.tooLong()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	if b.hurried && errors.Is(err, os.ErrDeadlineExceeded) {
		late := apierrors.NewTimeoutError(fmt.Sprintf("the body of %q did not arrive within %v", b.what, b.bodies.patience(b.limit.bytes)), 0)
		late.ErrStatus.Code = http.StatusRequestTimeout
		b.err = late
		return 0, b.err
	}
	b.read += int64(n)
	b.counter.count(p[:n])
	b.err = b.judge()
	if err != nil {
		b.rest()
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.text != nil {
		if good, problem := b.text.take(p[:n]); problem != nil {
			b.err = apierrors.NewBadRequest(notText(b.what, b.check.at(p[:good]), problem).Error())
			return 0, b.err
		}
	}
	if b.check != nil {
		b.check.take(p[:n])
		if errors.Is(err, io.EOF) {
			b.err = b.check.err()
			if errors.Is(b.err, errNotText) {
				b.err = apierrors.NewBadRequest(notText(b.what, "", b.err).Error())
			}
			if b.check = nil; b.err != nil {
				return 0, b.err
			}
		}
	}
	return n, err
}

func (b *judgedBody) judge() error {
	if b.read > b.limit.bytes {
		return b.tooLong()
	}
	elements, err := b.counter.elements()
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if elements > b.limit.elements {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the body of %q has more than %d elements, which are members of objects and arrays",
			b.what, b.limit.elements))
	}
	weight := min(b.read*byteWeight+elements*elementWeight, b.bodies.size)
	if weight <= freeBody || weight <= b.taken {
		return nil
	}
	step := min(max(weight-b.taken, bodyStep), b.bodies.size-b.taken)
	if !b.bodies.budget.TryAcquire(step) {
		return apierrors.NewTooManyRequests("the server is at work on as many large requests as its memory allows", retryBodies)
	}
	if b.taken += step; !b.hurried {
		// Where nobody can be hurried the request's own end is what there is.
		b.hurried = b.deadline(time.Now().Add(b.bodies.patience(b.limit.bytes))) == nil
	}
	return nil
}

// rest ends the hurry: the connection is watched for its end while the request is worked on, and serves others.
func (b *judgedBody) rest() {
	if b.hurried {
		b.hurried = false
		// A connection that cannot be given time is at its end.
		_ = b.deadline(time.Time{})
	}
}

func (b *judgedBody) tooLong() error {
	return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the body of %q has more than %d bytes", b.what, b.limit.bytes))
}

// give gives back what the body has of the budget.
func (b *judgedBody) give() {
	b.rest()
	b.bodies.budget.Release(b.taken)
}

// counterFor is what counts the elements of a body of some type. YAML is bounded further: its elements can only be estimated, and take more
// memory. Of a JSON patch is kept what is compared with its shape, so that it is no longer than that.
func counterFor(contentType string, limit bodyLimit) (elementCounter, bodyLimit) {
	switch mediaType(contentType) {
	case "application/yaml", "application/apply-patch+yaml":
		return &yamlElements{}, bodyLimit{min(limit.bytes, maxStoredBody), min(limit.elements, 50_000)}
	case "application/cbor", "application/apply-patch+cbor":
		return &cborElements{}, limit
	case string(types.JSONPatchType):
		return &jsonElements{}, bodyLimit{min(limit.bytes, maxStoredBody), limit.elements}
	}
	// JSON and its patches, what is taken for JSON, and what is not taken at all.
	return &jsonElements{}, limit
}
