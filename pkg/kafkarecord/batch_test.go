package kafkarecord

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// batchOf is a batch with records compressed already.
func batchOf(codec codec, count int32, records []byte) []byte {
	b := make([]byte, batchHeaderSize, batchHeaderSize+len(records))
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-batchPrefix))
	b[batchMagicAt] = batchMagic
	binary.BigEndian.PutUint16(b[batchAttributesAt:], uint16(codec))
	binary.BigEndian.PutUint32(b[batchLastDeltaAt:], uint32(count-1))
	binary.BigEndian.PutUint32(b[batchCountAt:], uint32(count))
	binary.BigEndian.PutUint32(b[batchCRCAt:], crc32.Checksum(b[batchAttributesAt:], castagnoli))
	return b
}

func TestCutBatchRefusesWhatItCannotTrust(t *testing.T) {
	good := batchOf(codecNone, 0, nil)
	for name, tt := range map[string]struct {
		change func([]byte) []byte
		says   string
	}{
		"a changed byte":  {func(b []byte) []byte { b[batchCountAt]++; return b }, "damaged"},
		"an old format":   {func(b []byte) []byte { b[batchMagicAt] = 1; return b }, "before Kafka 0.11"},
		"a future format": {func(b []byte) []byte { b[batchMagicAt] = 9; return b }, "unknown format 9"},
		"a short one":     {func(b []byte) []byte { binary.BigEndian.PutUint32(b[batchLengthAt:], 20); return b }, "32 bytes"},
		"a part of one":   {func(b []byte) []byte { return b[:batchHeaderSize-1] }, ""},
		"the first bytes": {func(b []byte) []byte { return b[:10] }, ""},
		"nothing":         {func([]byte) []byte { return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, ok, err := Cut(tt.change(bytes.Clone(good)))
			if ok {
				t.Error("taken for a batch")
			}
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

func TestMalformedRecordsAreErrors(t *testing.T) {
	for name, records := range map[string][]byte{
		"no record":          nil,
		"a negative length":  {1},
		"a length too large": binary.AppendVarint(nil, maxRecordSize+1),
		"a length that lies": binary.AppendVarint(nil, 1000),
		"a key too long":     {10, 0, 0, 0, 100, 1},
		"too many headers":   {12, 0, 0, 0, 1, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			var buffer []byte
			err := Batch(batchOf(codecNone, 1, records)).Each(&buffer, func(Record) error { return nil })
			if err == nil {
				t.Error("no error")
			}
		})
	}
	for codec := codecGzip; codec <= codecZstd+1; codec++ {
		var buffer []byte
		if err := Batch(batchOf(codec, 1, []byte("not compressed"))).Each(&buffer, func(Record) error { return nil }); err == nil {
			t.Errorf("codec %d: no error", codec)
		}
	}
}

// Nothing is wrong with such a record but that it is not read.
func TestARecordThatIsTooLargeIsSaidToBe(t *testing.T) {
	var buffer []byte
	err := Batch(batchOf(codecNone, 1, binary.AppendVarint(nil, maxRecordSize+1))).Each(&buffer, func(Record) error { return nil })
	if want := fmt.Sprintf("a record takes %d bytes, and %d are the most that is read", maxRecordSize+1, maxRecordSize); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A gigabyte of records comes through in the memory of one of them.
func TestABatchIsDecompressedOneRecordAtATime(t *testing.T) {
	const size, count = 1 << 20, 1024
	var record []byte
	body := append([]byte{0, 0, 0, 1}, binary.AppendVarint(nil, size)...)
	body = append(append(body, make([]byte, size)...), 0)
	record = append(binary.AppendVarint(nil, int64(len(body))), body...)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for range count {
		if _, err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	batch := Batch(batchOf(codecGzip, count, packed.Bytes()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var buffer []byte
	seen := 0
	if err := batch.Each(&buffer, func(r Record) error { seen += len(r.Value); return nil }); err != nil || seen != size*count {
		t.Fatalf("%d bytes, %v", seen, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*size {
		t.Errorf("%d MiB allocated for records of %d MiB", used>>20, size>>20)
	}
}
