package v1beta1

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
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

func TestANullIsNoQuantity(t *testing.T) {
	for body, want := range map[string]ResourceList{
		`{"memory":"1Gi","cpu":null}`: {"memory": resource.MustParse("1Gi")},
		`{"memory":"0"}`:              {"memory": resource.MustParse("0")},
		`{"memory":null}`:             nil,
		`{}`:                          nil,
		`null`:                        nil,
	} {
		got := ResourceRequirements{Limits: ResourceList{"cpu": resource.MustParse("1")}}
		if err := json.Unmarshal([]byte(`{"limits":`+body+`}`), &got); err != nil || !equality.Semantic.DeepEqual(got.Limits, want) {
			t.Errorf("%s is read as %v, %v; want %v", body, got.Limits, err, want)
		}
	}
	var list ResourceList
	if err := json.Unmarshal([]byte(`{"memory":"1 Gi"}`), &list); err == nil || !strings.Contains(err.Error(), "quantities") {
		t.Errorf("what is no quantity: %v", err)
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
