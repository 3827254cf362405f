package records

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

func TestWhatALogSaysOfRecordsThatAreGone(t *testing.T) {
	for name, tt := range map[string]struct {
		gap    broker.Gap
		reason string
		says   string
	}{
		"removed": {broker.Gap{Partition: 2, From: 3, Next: 7}, v1beta1.LogRecordsGone, "offsets 3 to 6"},
		"cut":     {broker.Gap{Partition: 2, From: 15, Next: 10}, v1beta1.LogTruncated, "from offset 10 on, of which those before 15 have been read"},
	} {
		t.Run(name, func(t *testing.T) {
			client := httptest.NewRecorder()
			out := newLogWriter(client, &kafka.KafkaTopicLogOptions{})
			if err := out.Gap(tt.gap); err != nil {
				t.Fatal(err)
			}
			out.finish()
			var line v1beta1.TopicLogEntry
			if err := json.Unmarshal(client.Body.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if *line.Partition != 2 || line.Warning == nil || line.Warning.Reason != tt.reason || !strings.Contains(line.Warning.Message, tt.says) {
				t.Errorf("%+v", line.Warning)
			}
		})
	}
}
