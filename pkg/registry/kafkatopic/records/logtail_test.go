package records

import "testing"

// The memory for a tail must not grow with the number that is asked for: it is the caller's, times the partitions.
func TestMarksAreFewAndFindEveryRecord(t *testing.T) {
	const records, most = 10_000, 17
	marks := &offsetMarks{stride: 1}
	// Every third offset is missing, as after a compaction.
	offset := func(record int64) int64 { return record + record/2 }
	for i := range int64(records) {
		marks.add(offset(i), most)
		if len(marks.offsets) > most {
			t.Fatalf("%d offsets are kept after %d records", len(marks.offsets), i+1)
		}
	}
	const end = 1 << 40
	for i := range int64(records) {
		mark, after, skip := marks.at(i, end)
		first := i - skip
		if skip < 0 || mark != offset(first) || after <= offset(i) {
			t.Fatalf("record %d is at offset %d; told are mark %d, %d records before it, and %d after", i, offset(i), mark, skip, after)
		}
		if after != end && after != offset(first+marks.stride) {
			t.Fatalf("the mark after record %d is %d", i, after)
		}
	}
}
