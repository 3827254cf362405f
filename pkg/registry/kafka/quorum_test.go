package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A quorum that answers, and refuses our account, is well.
func TestAQuorumThatRefusesIsNotCalledSilent(t *testing.T) {
	refused := kafkaerr.New(kafkaerr.OpDescribeQuorum, "", kafkaerr.ClusterAuthorizationFailed, nil, 0)
	if text := quorumFailure(fmt.Errorf("ask: %w", refused)).Error(); !strings.Contains(text, "lacks the right Describe on the cluster") || strings.Contains(text, "does not answer") {
		t.Errorf("refused: %q", text)
	}
	if text := quorumFailure(context.DeadlineExceeded).Error(); text != "the metadata quorum does not answer" {
		t.Errorf("silent: %q", text)
	}
}
