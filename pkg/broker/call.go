package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// exchange runs one request on a link under the caller's context. The request runs on a goroutine of its own, so that nothing
// inside sarama (a lock, a throttle timer) can hold the caller past its context: then the socket is closed and the goroutine ends
// by itself. A request that stays unanswered makes it knock at the broker's door anew: when that is not answered either, the
// broker is gone and the request fails long before its deadline.
//
// The link is taken by the call: it is given back to its pool when it can be used again, else closed.
func exchange[T any](ctx context.Context, c *Cluster, l *link, key int16, request func(*link) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var zero T
	start := time.Now()
	before := l.conn.written.Load()
	l.since.Store(start.UnixNano())
	l.conn.intake.expect(key)
	done := make(chan answer, 1)
	var a answer
	crash.Go(func() (err error) {
		if a.value, err = request(l); err != nil {
			if refused := l.conn.intake.refusal(); refused != nil {
				return refused
			}
		}
		return err
	}, func(err error) {
		a.err = err
		var throttle time.Duration
		if err == nil {
			throttle = throttleOf(a.value)
		}
		healthy := (err == nil || answered(err)) && !l.conn.dead.Load()
		// What was decoded is the caller's, and soon less.
		l.conn.intake.settle()
		c.pool.release(l, healthy, throttle)
		done <- a
	})

	stall := time.NewTimer(c.opts.stallAfter)
	defer stall.Stop()
	var knock chan error
	refused := false
	for {
		select {
		case a := <-done:
			if a.err == nil {
				c.observe(key, "ok", start)
				return a.value, nil
			}
			if answered(a.err) {
				c.observe(key, "refused", start)
				return zero, a.err
			}
			if ctx.Err() != nil {
				a.err = context.Cause(ctx)
			}
			c.observe(key, "broken", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.addr, Sent: l.conn.written.Load() > before, Err: a.err}
		case <-ctx.Done():
			l.kill()
			c.observe(key, "timeout", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.addr, Sent: l.conn.written.Load() > before, Err: context.Cause(ctx)}
		case <-stall.C:
			knock = c.knock(l.addr)
		case err := <-knock:
			knock = nil
			again := err == nil || errors.Is(err, errRefused) && !refused
			if refused = err != nil; again {
				stall.Reset(knockEvery)
				continue
			}
			l.kill()
			c.observe(key, "unreachable", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.addr, Sent: l.conn.written.Load() > before, Gone: true, Err: err}
		}
	}
}

const (
	// stallAfter is how long an answer may take before the broker is asked whether it is there at all. With ConnectTimeout it
	// makes the verdict on a broker that hangs with its connections open.
	stallAfter = time.Second
	// knockEvery is the pause until the next such question during one request.
	knockEvery = 3 * time.Second
)

// answered tells errors that leave a link usable: the broker's own, and what was refused before anything was sent, here or by the gate.
func answered(err error) bool {
	var refusal *kafkaerr.Error
	return errors.As(err, &refusal) || kafkaerr.IsNotAdmitted(err)
}

// conclusive tells errors that a repetition would only bring once more, of a broker that is there.
func conclusive(err error) bool { return answered(err) || kafkaerr.IsTooLong(err) }

// throttleOf is how long the broker wants to be left alone after this answer. sarama would sleep that long inside the next
// request, holding the connection's lock; the pool waits instead, under the next caller's context.
func throttleOf(resp any) time.Duration {
	ms := func(v int32) time.Duration { return time.Duration(v) * time.Millisecond }
	switch r := resp.(type) {
	case interface{ throttle() time.Duration }:
		return r.throttle()
	case *sarama.MetadataResponse:
		return ms(r.ThrottleTimeMs)
	case *sarama.DescribeClusterResponse:
		return ms(r.ThrottleTimeMs)
	case *sarama.CreateTopicsResponse:
		return r.ThrottleTime
	case *sarama.CreatePartitionsResponse:
		return r.ThrottleTime
	case *sarama.IncrementalAlterConfigsResponse:
		return r.ThrottleTime
	case *sarama.DescribeLogDirsResponse:
		return r.ThrottleTime
	case kmsg.ThrottleResponse:
		millis, _ := r.Throttle()
		return ms(millis)
	}
	return 0
}

// local turns what sarama refuses before sending into an *kafkaerr.Error, so that the link survives it.
func local(err error) error {
	var encoding sarama.PacketEncodingError
	switch {
	case errors.Is(err, sarama.ErrUnsupportedVersion):
		return kafkaerr.New("send request", "", kafkaerr.UnsupportedVersion, nil, 0)
	case errors.As(err, &encoding):
		text := encoding.Info
		return kafkaerr.New("encode request", "", kafkaerr.InvalidRequest, &text, 0)
	}
	return err
}

// bySarama adapts a method of sarama.Broker. build makes the request anew for each attempt: sarama lowers its version to what the
// broker offers, another broker may offer more, and an attempt given up may still hold the old one.
func bySarama[Req, Resp any](build func() Req, method func(*sarama.Broker, Req) (Resp, error)) func(*link) (Resp, error) {
	return func(l *link) (Resp, error) {
		resp, err := method(l.broker, build())
		return resp, local(err)
	}
}

// byKmsg sends what sarama cannot encode, in the highest version that both sides know, at least minVersion.
func byKmsg[Resp kmsg.Response](build func() kmsg.Request, minVersion int16) func(*link) (Resp, error) {
	return func(l *link) (Resp, error) {
		var zero Resp
		req := build()
		offered, ok := l.offers.apis[req.Key()]
		version := min(offered.max, req.MaxVersion())
		if !ok || version < max(offered.min, minVersion) {
			text := fmt.Sprintf("the broker does not offer %s in version %d or later", kmsg.NameForKey(req.Key()), minVersion)
			return zero, kafkaerr.New("send request", "", kafkaerr.UnsupportedVersion, &text, 0)
		}
		req.SetVersion(version)
		resp, err := l.roundTrip(req)
		if err != nil {
			return zero, err
		}
		typed, ok := resp.(Resp)
		if !ok {
			return zero, fmt.Errorf("unexpected answer %T", resp)
		}
		return typed, nil
	}
}

// roundTrip writes a kmsg request to the socket below sarama and reads the answer. Nothing of sarama's is in flight meanwhile,
// and its read buffer is empty between requests.
func (l *link) roundTrip(req kmsg.Request) (kmsg.Response, error) {
	body, err := l.send(req)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, body.N)
	if _, err := io.ReadFull(body, raw); err != nil {
		return nil, err
	}
	return l.decode(req, raw)
}

// send writes a kmsg request to the socket below sarama, and returns the answer, which is to be read.
func (l *link) send(req kmsg.Request) (*io.LimitedReader, error) {
	l.corr++
	buf := kmsg.NewRequestFormatter(kmsg.FormatterClientID(l.clientID)).AppendRequest(nil, req, l.corr)
	if err := l.conn.SetDeadline(time.Now().Add(socketTimeout)); err != nil {
		return nil, err
	}
	if _, err := l.conn.Write(buf); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(l.conn, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length < 4 || length > maxResponseSize {
		return nil, fmt.Errorf("answer of %d bytes", length)
	}
	return &io.LimitedReader{R: l.conn, N: int64(length)}, nil
}

// decode makes sense of the answer to a request.
func (l *link) decode(req kmsg.Request, body []byte) (kmsg.Response, error) {
	if corr := int32(binary.BigEndian.Uint32(body)); corr != l.corr {
		return nil, fmt.Errorf("answer to request %d, want %d", corr, l.corr)
	}
	body = body[4:]
	resp := req.ResponseKind()
	if resp.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		var err error
		if body, err = skipTags(body); err != nil {
			return nil, err
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	return resp, nil
}

// skipTags drops the tagged fields of a response header (KIP-482).
func skipTags(b []byte) ([]byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, io.ErrUnexpectedEOF
	}
	b = b[n:]
	for ; count > 0; count-- {
		if _, n = binary.Uvarint(b); n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || uint64(len(b)-n) < size {
			return nil, io.ErrUnexpectedEOF
		}
		b = b[n+int(size):]
	}
	return b, nil
}
