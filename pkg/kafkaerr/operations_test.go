package kafkaerr

import "testing"

func TestLacksOnCluster(t *testing.T) {
	const all = MayCreate | MayAlter | MayDescribe | MayDescribeConfigs | MayIdempotentWrite
	for _, tc := range []struct {
		may      Operations
		before28 bool
		want     string
	}{
		{all, false, ""},
		{all, true, ""},
		{all &^ MayCreate, true, ""},
		{all &^ MayIdempotentWrite, false, ""},
		{all &^ MayIdempotentWrite, true, "IdempotentWrite (writing records, of brokers before 2.8)"},
		{all &^ MayAlter, false, "Alter (electing leaders, moving partitions)"},
		{MayDescribe, false, "DescribeConfigs (telling before a delete that the brokers delete no topics); Alter (electing leaders, moving partitions)"},
		{0, true, "Describe (sizes on disk, moves under way, growing topics of which a replica is out of sync, the metadata quorum, lists of all consumer groups), without which brokers do not tell which others it has"},
	} {
		if got := LacksOnCluster(tc.may, tc.before28); got != tc.want {
			t.Errorf("%b before 2.8 %v: %q, want %q", tc.may, tc.before28, got, tc.want)
		}
	}
}
