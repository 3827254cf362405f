package live_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/warning"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

type said []string

func (s *said) AddWarning(_, text string) { *s = append(*s, text) }

// What may have been done is not counted among what was not.
func TestWhatFailedAndWhatNobodyKnowsAreCountedApart(t *testing.T) {
	no, unknown := errors.New("no"), &kafkaerr.UnknownOutcomeError{Op: "write", Object: "it", Err: errors.New("silence")}
	for _, tc := range []struct {
		failures []error
		want     string
	}{
		{nil, ""},
		{[]error{no}, "1 of 5 records were not written, see status: no"},
		{[]error{unknown}, "of 1 of 5 records nobody knows whether it was written, see status: write it: the outcome is unknown: silence"},
		{[]error{unknown, unknown}, "of 2 of 5 records nobody knows whether they were written, see status: write it: the outcome is unknown: silence"},
		{[]error{no, unknown, no, unknown},
			"2 of 5 records were not written, and of 2 nobody knows whether they were written, see status: write it: the outcome is unknown: silence; no"},
	} {
		var got said
		live.WarnOfSome(warning.WithWarningRecorder(t.Context(), &got), 5, "record", "written", tc.failures)
		if text := strings.Join(got, "\n"); text != tc.want {
			t.Errorf("got  %q\nwant %q", text, tc.want)
		}
	}
}
