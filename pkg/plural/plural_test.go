package plural

import "testing"

func TestANumberAgreesWithWhatItCounts(t *testing.T) {
	for n, want := range map[int32]string{0: "0 brokers are", 1: "1 broker is", 2: "2 brokers are", 11: "11 brokers are"} {
		if got := Of(n, "broker is", "brokers are"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
