package kafkarecord

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Record is one record of a partition.
type Record struct {
	Partition int32
	Offset    int64
	Timestamp time.Time
	// Key and Value are nil when they are null.
	Key   []byte
	Value []byte
	// Headers are in order; a name may occur more than once.
	Headers []Header
}

// Header is a header of a record.
type Header struct {
	Name string
	// Value is nil when it is null.
	Value []byte
}

// NewRecord is a record to write.
type NewRecord struct {
	// Key and Value are null when nil.
	Key   []byte
	Value []byte
	// Headers are written in order.
	Headers []Header
	// Partition is where the record goes; -1 leaves it to the key, and without one to chance.
	Partition int32
	// Timestamp is kept in milliseconds; the topic may replace it by the broker's (message.timestamp.type=LogAppendTime).
	Timestamp time.Time
}

// The layout of a record batch, from
// https://kafka.apache.org/documentation/#recordbatch: its base offset and length, then what the length counts.
const (
	batchLengthAt      = 8
	batchPrefix        = 12
	batchLeaderEpochAt = 12
	batchMagicAt       = 16
	batchCRCAt         = 17
	batchAttributesAt  = 21
	batchLastDeltaAt   = 23
	batchFirstTimeAt   = 27
	batchMaxTimeAt     = 35
	batchProducerAt    = 43
	batchEpochAt       = 51
	batchSequenceAt    = 53
	batchCountAt       = 57
	batchHeaderSize    = 61
	batchMagic         = 2
	attributeCodec     = 0x07
	attributeAppended  = 0x08
	attributeInTxn     = 0x10
	attributeIsControl = 0x20
)

// castagnoli is the polynomial of a batch's checksum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is one batch as it lies on the wire.
type Batch []byte

func (b Batch) baseOffset() int64 { return int64(binary.BigEndian.Uint64(b)) }

// NextOffset is one past the batch's last offset.
func (b Batch) NextOffset() int64 {
	return b.baseOffset() + int64(int32(binary.BigEndian.Uint32(b[batchLastDeltaAt:]))) + 1
}

// LeaderEpoch is that of the leader who appended the batch, -1 when it is not known.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[batchLeaderEpochAt:])) }

func (b Batch) attributes() uint16 { return binary.BigEndian.Uint16(b[batchAttributesAt:]) }
func (b Batch) codec() codec       { return codec(b.attributes() & attributeCodec) }

// Transactional tells whether the batch is part of a transaction.
func (b Batch) Transactional() bool { return b.attributes()&attributeInTxn != 0 }

// Control tells whether the batch is a marker, which ends a transaction, instead of records.
func (b Batch) Control() bool { return b.attributes()&attributeIsControl != 0 }

// ProducerID is who wrote the batch.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[batchProducerAt:])) }

func (b Batch) count() int32 { return int32(binary.BigEndian.Uint32(b[batchCountAt:])) }
func (b Batch) millis(at int) int64 {
	return int64(binary.BigEndian.Uint64(b[at:]))
}

// errOldFormat is met only on topics that have not been written anew since Kafka 0.10.
var errOldFormat = errors.New("the records are in a format from before Kafka 0.11, which is not read")

// Cut takes the first batch off what a broker sent. ok is false when the rest holds no whole batch: brokers send a part of the
// last one as it comes.
func Cut(records []byte) (b Batch, rest []byte, ok bool, err error) {
	if len(records) <= batchMagicAt {
		return nil, records, false, nil
	}
	if magic := records[batchMagicAt]; magic < batchMagic {
		return nil, records, false, errOldFormat
	} else if magic > batchMagic {
		return nil, records, false, fmt.Errorf("the records are in the unknown format %d", magic)
	}
	size := int64(binary.BigEndian.Uint32(records[batchLengthAt:])) + batchPrefix
	if size > int64(len(records)) {
		return nil, records, false, nil
	}
	if size < batchHeaderSize {
		return nil, records, false, fmt.Errorf("a batch of %d bytes", size)
	}
	b, rest = Batch(records[:size]), records[size:]
	if sum := crc32.Checksum(b[batchAttributesAt:], castagnoli); sum != binary.BigEndian.Uint32(b[batchCRCAt:]) {
		return nil, records, false, fmt.Errorf("the batch at offset %d is damaged: its checksum is wrong", b.baseOffset())
	}
	return b, rest, true, nil
}

// maxRecordSize bounds one record after decompression.
const maxRecordSize = 32 << 20

// Each decompresses the batch as a stream and hands over one record after the other: what is in memory beside the batch is one
// record, however well the batch was compressed. Key, Value and header values are valid until the next call.
func (b Batch) Each(buffer *[]byte, do func(Record) error) error {
	in, err := b.codec().reader(b[batchHeaderSize:])
	if err != nil {
		return fmt.Errorf("the batch at offset %d: %w", b.baseOffset(), err)
	}
	defer in.close()
	base, first := b.baseOffset(), b.millis(batchFirstTimeAt)
	appended := b.attributes()&attributeAppended != 0
	for range b.count() {
		body, err := readRecord(in, buffer)
		if err != nil {
			return fmt.Errorf("the batch at offset %d: %w", base, err)
		}
		r, offset, timestamp, err := parseRecord(body)
		if err != nil {
			return fmt.Errorf("the batch at offset %d: %w", base, err)
		}
		r.Offset = base + offset
		r.Timestamp = time.UnixMilli(first + timestamp).UTC()
		if appended {
			r.Timestamp = time.UnixMilli(b.millis(batchMaxTimeAt)).UTC()
		}
		if err := do(r); err != nil {
			return err
		}
	}
	return nil
}

// readRecord reads a record's length and as many bytes. The buffer grows with what is there, not with what the length claims.
func readRecord(in byteReader, buffer *[]byte) ([]byte, error) {
	size, err := binary.ReadVarint(in)
	if err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("a record of %d bytes", size)
	}
	if size > maxRecordSize {
		return nil, fmt.Errorf("a record takes %d bytes, and %d are the most that is read", size, maxRecordSize)
	}
	buf := (*buffer)[:0]
	for int64(len(buf)) < size {
		grown := min(size, max(2*int64(len(buf)), 64<<10))
		at := len(buf)
		if int64(cap(buf)) < grown {
			buf = append(make([]byte, 0, grown), buf...)
		}
		buf = buf[:grown]
		if _, err := io.ReadFull(in, buf[at:]); err != nil {
			return nil, err
		}
	}
	*buffer = buf
	return buf, nil
}

// parseRecord reads a record's body; the offset and the timestamp are relative to the batch's.
func parseRecord(body []byte) (r Record, offset, timestamp int64, err error) {
	p := fieldReader{rest: body}
	p.take(1) // attributes, which are not in use
	timestamp = p.varint()
	offset = p.varint()
	r.Key = p.bytes()
	r.Value = p.bytes()
	// A header takes two bytes at least.
	if headers := p.varint(); headers > 0 && headers <= int64(len(p.rest)) {
		r.Headers = make([]Header, 0, headers)
		for range headers {
			name := p.bytes()
			r.Headers = append(r.Headers, Header{Name: string(name), Value: p.bytes()})
		}
	} else if headers != 0 {
		p.bad = true
	}
	if p.bad {
		return Record{}, 0, 0, errors.New("a record is malformed")
	}
	return r, offset, timestamp, nil
}

// fieldReader reads the fields of a record; once one is bad all are.
type fieldReader struct {
	rest []byte
	bad  bool
}

func (p *fieldReader) take(n int64) []byte {
	if p.bad || n < 0 || n > int64(len(p.rest)) {
		p.bad = true
		return nil
	}
	field := p.rest[:n:n]
	p.rest = p.rest[n:]
	return field
}

func (p *fieldReader) varint() int64 {
	v, n := binary.Varint(p.rest)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *fieldReader) bytes() []byte {
	n := p.varint()
	if n < 0 {
		return nil
	}
	return p.take(n)
}

// AbortMarker tells whether a control batch ends a transaction that was aborted (ControlRecordType: 0 is abort, 1 commit).
func (b Batch) AbortMarker() (bool, error) {
	var buffer []byte
	aborted := false
	err := b.Each(&buffer, func(r Record) error {
		aborted = len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 0
		return nil
	})
	return aborted, err
}
