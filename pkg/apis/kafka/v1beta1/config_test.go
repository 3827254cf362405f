package v1beta1

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

func TestANullIsNoSetting(t *testing.T) {
	for body, want := range map[string]TopicConfig{
		`{"retention.ms":"1","cleanup.policy":null}`: {"retention.ms": "1"},
		`{"retention.ms":""}`:                        {"retention.ms": ""},
		`{"retention.ms":null}`:                      nil,
		`{}`:                                         nil,
		`null`:                                       nil,
	} {
		// What was there before is not what is read.
		got := struct{ Config TopicConfig }{TopicConfig{"segment.bytes": "1"}}
		if err := json.Unmarshal([]byte(`{"config":`+body+`}`), &got); err != nil || !maps.Equal(got.Config, want) {
			t.Errorf("%s is read as %v, %v; want %v", body, got.Config, err, want)
		}
		brokers := BrokersSpec{Config: BrokerConfig{"segment.bytes": "1"}}
		if err := json.Unmarshal([]byte(`{"config":`+body+`}`), &brokers); err != nil || !maps.Equal(map[string]string(brokers.Config), map[string]string(want)) {
			t.Errorf("of brokers, %s is read as %v, %v; want %v", body, brokers.Config, err, want)
		}
	}
}

func TestASettingThatIsNoTextIsNamed(t *testing.T) {
	for body, want := range map[string]string{
		`{"retention.ms":1000}`: `config[retention.ms]: a text in quotes is expected, such as "1000"`,
		`{"preallocate":true}`:  `config[preallocate]`,
		`["retention.ms"]`:      "settings by name",
	} {
		var config TopicConfig
		if err := json.Unmarshal([]byte(body), &config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
