package kafkarecord

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Builder collects records for one partition into a batch.
type Builder struct {
	// Partition is the one that the batch is for.
	Partition int32
	// Records are the indexes of the caller's records, in order.
	Records []int
	body    []byte
	first   int64 // the first record's timestamp; the others are relative to it
	last    int64 // the latest timestamp
}

// SizeAlone is the size of the batch that has this record alone.
func SizeAlone(r NewRecord) int { return batchHeaderSize + len(appendRecord(nil, r, 0, 0)) }

// Add appends a record unless the batch would become larger than limit.
func (b *Builder) Add(index int, r NewRecord, limit int) bool {
	at := r.Timestamp.UnixMilli()
	if len(b.Records) == 0 {
		b.first, b.last = at, at
	}
	before := len(b.body)
	b.body = appendRecord(b.body, r, int64(len(b.Records)), at-b.first)
	if len(b.Records) > 0 && batchHeaderSize+len(b.body) > limit {
		b.body = b.body[:before]
		return false
	}
	b.Records = append(b.Records, index)
	b.last = max(b.last, at)
	return true
}

// Encode makes the batch of a producer's next records from a sequence number on.
func (b *Builder) Encode(producer int64, epoch int16, sequence int32) []byte {
	out := make([]byte, batchHeaderSize, batchHeaderSize+len(b.body))
	out = append(out, b.body...)
	count := uint32(len(b.Records))
	binary.BigEndian.PutUint32(out[batchLengthAt:], uint32(len(out)-batchPrefix))
	binary.BigEndian.PutUint32(out[batchLeaderEpochAt:], ^uint32(0)) // no leader epoch
	out[batchMagicAt] = batchMagic
	binary.BigEndian.PutUint32(out[batchLastDeltaAt:], count-1)
	binary.BigEndian.PutUint64(out[batchFirstTimeAt:], uint64(b.first))
	binary.BigEndian.PutUint64(out[batchMaxTimeAt:], uint64(b.last))
	binary.BigEndian.PutUint64(out[batchProducerAt:], uint64(producer))
	binary.BigEndian.PutUint16(out[batchEpochAt:], uint16(epoch))
	binary.BigEndian.PutUint32(out[batchSequenceAt:], uint32(sequence))
	binary.BigEndian.PutUint32(out[batchCountAt:], count)
	binary.BigEndian.PutUint32(out[batchCRCAt:], crc32.Checksum(out[batchAttributesAt:], castagnoli))
	return out
}

func appendRecord(dst []byte, r NewRecord, offset, timestamp int64) []byte {
	size := 1 + varintSize(timestamp) + varintSize(offset) + bytesSize(r.Key) + bytesSize(r.Value) + varintSize(int64(len(r.Headers)))
	for _, h := range r.Headers {
		size += varintSize(int64(len(h.Name))) + len(h.Name) + bytesSize(h.Value)
	}
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, timestamp)
	dst = binary.AppendVarint(dst, offset)
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.AppendVarint(dst, int64(len(h.Name)))
		dst = append(dst, h.Name...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func bytesSize(b []byte) int {
	if b == nil {
		return varintSize(-1)
	}
	return varintSize(int64(len(b))) + len(b)
}

func varintSize(v int64) int {
	var buf [binary.MaxVarintLen64]byte
	return binary.PutVarint(buf[:], v)
}

// TimestampOf is a record's own timestamp in the precision that Kafka keeps.
func TimestampOf(r NewRecord) time.Time { return time.UnixMilli(r.Timestamp.UnixMilli()).UTC() }
