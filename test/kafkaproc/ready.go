package kafkaproc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// probeTimeout bounds one question to a server that may be starting, frozen or dead.
const probeTimeout = time.Second

// brokersKnown returns nil if the broker at addr answers a Metadata request naming at least want brokers and a
// controller. A port that accepts is not enough: brokers listen long before they serve.
func brokersKnown(ctx context.Context, addr string, want int) error {
	answer, err := ask(ctx, addr, metadataRequest(), readFrame)
	if err != nil {
		return err
	}
	brokers, controller, err := parseMetadata(answer)
	if err != nil {
		return fmt.Errorf("reading the metadata of %s: %w", addr, err)
	}
	if brokers < want || controller < 0 {
		return fmt.Errorf("%s knows %d brokers of %d, and controller %d", addr, brokers, want, controller)
	}
	return nil
}

// metadataRequest is a Metadata request, version 1, for no topics
// (https://kafka.apache.org/protocol#The_Messages_Metadata).
func metadataRequest() []byte {
	var body bytes.Buffer
	for _, field := range []any{
		int16(3), int16(1), int32(1), // api key, version, correlation id
		int16(-1), // client id: null
		int32(0),  // topics: none
	} {
		_ = binary.Write(&body, binary.BigEndian, field) // a buffer takes everything
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(body.Len())), body.Bytes()...)
}

// parseMetadata returns the number of brokers and the controller's id from an answer to metadataRequest.
func parseMetadata(answer []byte) (brokers int, controller int32, err error) {
	r := bytes.NewReader(answer)
	var correlation, count int32
	if err := errors.Join(binary.Read(r, binary.BigEndian, &correlation), binary.Read(r, binary.BigEndian, &count)); err != nil {
		return 0, 0, err
	}
	for range count {
		var node, port int32
		err := errors.Join(binary.Read(r, binary.BigEndian, &node), skipString(r), binary.Read(r, binary.BigEndian, &port), skipString(r))
		if err != nil {
			return 0, 0, err
		}
	}
	err = binary.Read(r, binary.BigEndian, &controller)
	return int(count), controller, err
}

// skipString passes over a string, or null (a rack that is not set).
func skipString(r io.Reader) error {
	var length int16
	if err := binary.Read(r, binary.BigEndian, &length); err != nil || length <= 0 {
		return err
	}
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}

// zooKeeperServes returns nil if the server at addr is a member of an ensemble that has a leader.
func zooKeeperServes(ctx context.Context, addr string) error {
	answer, err := ask(ctx, addr, []byte("srvr"), io.ReadAll)
	if err != nil {
		return err
	}
	if !bytes.Contains(answer, []byte("Mode: ")) {
		return fmt.Errorf("%s says %q", addr, bytes.TrimSpace(answer))
	}
	return nil
}

func ask(ctx context.Context, addr string, question []byte, read func(io.Reader) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	return read(conn)
}

// readFrame reads one length-prefixed answer.
func readFrame(r io.Reader) ([]byte, error) {
	var size int32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return nil, err
	}
	const most = 1 << 20
	if size < 0 || size > most {
		return nil, fmt.Errorf("an answer of %d bytes", size)
	}
	answer := make([]byte, size)
	_, err := io.ReadFull(r, answer)
	return answer, err
}
