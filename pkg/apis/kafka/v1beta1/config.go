package v1beta1

import (
	"encoding/json"
	"fmt"
)

// TopicConfig are settings by name. A null is read as if the setting were not named: it is how a merge patch and people who write
// manifests say that an override goes. Without this type it would be read as an empty string, which is a value.
type TopicConfig map[string]string

// BrokerConfig are settings by name, read as TopicConfig is.
type BrokerConfig map[string]string

var (
	_ json.Unmarshaler = (*TopicConfig)(nil)
	_ json.Unmarshaler = (*BrokerConfig)(nil)
)

// UnmarshalJSON implements json.Unmarshaler.
func (c *TopicConfig) UnmarshalJSON(data []byte) error {
	return readSettings(data, (*map[string]string)(c))
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *BrokerConfig) UnmarshalJSON(data []byte) error {
	return readSettings(data, (*map[string]string)(c))
}

func readSettings(data []byte, into *map[string]string) error {
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(data, &settings); err != nil {
		return fmt.Errorf("config: settings by name are expected: %w", err)
	}
	*into = nil
	for name, raw := range settings {
		// A pointer tells null from "".
		var value *string
		if err := json.Unmarshal(raw, &value); err != nil {
			return fmt.Errorf("config[%s]: a text in quotes is expected, such as %q, not %s", name, raw, raw)
		}
		if value == nil {
			continue
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[name] = *value
	}
	return nil
}
