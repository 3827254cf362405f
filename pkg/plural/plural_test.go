package plural

import "testing"

func TestANumberAgreesWithWhatItCounts(t *testing.T) {
	for n, want := range map[int32][2]string{
		0: {"0 brokers are", "all 0 brokers are"}, 1: {"1 broker is", "the broker is"}, 2: {"2 brokers are", "all 2 brokers are"}, 11: {"11 brokers are", "all 11 brokers are"},
	} {
		if got := [2]string{Of(n, "broker is", "brokers are"), All(n, "broker is", "brokers are")}; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
