package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Answered tells errors that leave a link usable: the broker's own, and what was refused before anything was sent, here or by the gate.
func Answered(err error) bool {
	var refusal *kafkaerr.Error
	return errors.As(err, &refusal) || kafkaerr.IsNotAdmitted(err)
}

// Conclusive tells errors that a repetition would only bring once more, of a broker that is there.
func Conclusive(err error) bool { return Answered(err) || kafkaerr.IsTooLong(err) }

// ThrottleOf is how long the broker wants to be left alone after this answer. sarama would sleep that long inside the next
// request, holding the connection's lock; the pool waits instead, under the next caller's context.
func ThrottleOf(resp any) time.Duration {
	ms := func(v int32) time.Duration { return time.Duration(v) * time.Millisecond }
	switch r := resp.(type) {
	case interface{ Throttle() time.Duration }:
		return r.Throttle()
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

// BySarama adapts a method of sarama.Broker. build makes the request anew for each attempt: sarama lowers its version to what the
// broker offers, another broker may offer more, and an attempt given up may still hold the old one.
func BySarama[Req, Resp any](build func() Req, method func(*sarama.Broker, Req) (Resp, error)) func(*Link) (Resp, error) {
	return func(l *Link) (Resp, error) {
		resp, err := method(l.Broker, build())
		return resp, local(err)
	}
}

// ByKmsg sends what sarama cannot encode, in the highest version that both sides know, at least minVersion.
func ByKmsg[Resp kmsg.Response](build func() kmsg.Request, minVersion int16) func(*Link) (Resp, error) {
	return func(l *Link) (Resp, error) {
		var zero Resp
		req := build()
		offered, ok := l.Offers.APIs[req.Key()]
		version := min(offered.Max, req.MaxVersion())
		if !ok || version < max(offered.Min, minVersion) {
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
func (l *Link) roundTrip(req kmsg.Request) (kmsg.Response, error) {
	body, err := l.Send(req)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, body.N)
	if _, err := io.ReadFull(body, raw); err != nil {
		return nil, err
	}
	return l.decode(req, raw)
}

// Send writes a kmsg request to the socket below sarama, and returns the answer, which is to be read.
func (l *Link) Send(req kmsg.Request) (*io.LimitedReader, error) {
	l.Corr++
	buf := kmsg.NewRequestFormatter(kmsg.FormatterClientID(l.ClientID)).AppendRequest(nil, req, l.Corr)
	if err := l.Conn.SetDeadline(time.Now().Add(socketTimeout)); err != nil {
		return nil, err
	}
	if _, err := l.Conn.Write(buf); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(l.Conn, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length < 4 || length > MaxResponseSize {
		return nil, fmt.Errorf("answer of %d bytes", length)
	}
	return &io.LimitedReader{R: l.Conn, N: int64(length)}, nil
}

// decode makes sense of the answer to a request.
func (l *Link) decode(req kmsg.Request, body []byte) (kmsg.Response, error) {
	if corr := int32(binary.BigEndian.Uint32(body)); corr != l.Corr {
		return nil, fmt.Errorf("answer to request %d, want %d", corr, l.Corr)
	}
	body = body[4:]
	resp := req.ResponseKind()
	if resp.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		var err error
		if body, err = SkipTags(body); err != nil {
			return nil, err
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	return resp, nil
}

// SkipTags drops the tagged fields of a response header (KIP-482).
func SkipTags(b []byte) ([]byte, error) {
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

func Millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }
