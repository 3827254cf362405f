package kafkarecord

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec is how a batch is compressed, by Kafka's number. sarama decompresses as well, but a whole answer at once: a megabyte from a
// broker can become gigabytes. Here a batch is a stream.
type codec int8

const (
	codecNone codec = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

// byteReader is a batch's records, decompressed.
type byteReader interface {
	io.Reader
	io.ByteReader
	close()
}

type plainReader struct{ *bytes.Reader }

func (plainReader) close() {}

type streamReader struct {
	*bufio.Reader
	end func()
}

func (r streamReader) close() { r.end() }

// maxZstdWindow is what the highest level of zstd uses.
const maxZstdWindow = 128 << 20

func (c codec) reader(compressed []byte) (byteReader, error) {
	in := bytes.NewReader(compressed)
	switch c {
	case codecNone:
		return plainReader{in}, nil
	case codecGzip:
		r, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return streamReader{bufio.NewReader(r), func() { _ = r.Close() }}, nil
	case codecSnappy:
		r, err := newSnappyReader(compressed)
		if err != nil {
			return nil, err
		}
		return streamReader{bufio.NewReader(r), func() {}}, nil
	case codecLZ4:
		return streamReader{bufio.NewReader(lz4.NewReader(in)), func() {}}, nil
	case codecZstd:
		r, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return streamReader{bufio.NewReader(r), r.Close}, nil
	}
	return nil, fmt.Errorf("compressed in the unknown way %d", c)
}

// snappyMagic begins what Kafka's own clients write: blocks of snappy, each after its length (the framing of xerial's snappy-java).
// Others write a single block and nothing around it.
var snappyMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	snappyHeaderSize = 16
	// maxSnappyBlock bounds one block after decompression. Kafka's clients write blocks of 32 KiB; a batch that is one block cannot
	// be larger than what a broker takes.
	maxSnappyBlock = maxRecordSize
)

type snappyReader struct {
	// blocks are the ones to come, each after its length; single is the only one.
	blocks []byte
	single bool
	block  []byte
	buffer []byte
}

func newSnappyReader(compressed []byte) (*snappyReader, error) {
	if !bytes.HasPrefix(compressed, snappyMagic) {
		return &snappyReader{blocks: compressed, single: true}, nil
	}
	if len(compressed) < snappyHeaderSize {
		return nil, io.ErrUnexpectedEOF
	}
	return &snappyReader{blocks: compressed[snappyHeaderSize:]}, nil
}

// Read implements io.Reader.
func (r *snappyReader) Read(p []byte) (int, error) {
	for len(r.block) == 0 {
		if len(r.blocks) == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.block)
	r.block = r.block[n:]
	return n, nil
}

func (r *snappyReader) next() error {
	block := r.blocks
	r.blocks = nil
	if !r.single {
		if len(block) < 4 {
			return io.ErrUnexpectedEOF
		}
		size := binary.BigEndian.Uint32(block)
		if int64(size) > int64(len(block)-4) {
			return io.ErrUnexpectedEOF
		}
		block, r.blocks = block[4:4+size], block[4+size:]
	}
	size, err := snappy.DecodedLen(block)
	if err != nil {
		return err
	}
	if size > maxSnappyBlock {
		return errors.New("a block of snappy that is too large")
	}
	r.buffer, err = snappy.Decode(r.buffer[:cap(r.buffer)], block)
	r.block = r.buffer
	return err
}
