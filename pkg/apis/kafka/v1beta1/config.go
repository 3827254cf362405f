package v1beta1

import (
	"encoding/json"
	"fmt"
)

// TopicConfig are settings by name. A null is read as if the setting were not named: it is how a merge patch and people who write
// manifests say that an override goes. Without this type it would be read as an empty string, which is a value.
type TopicConfig map[string]string

var _ json.Unmarshaler = (*TopicConfig)(nil)

// UnmarshalJSON implements json.Unmarshaler.
func (c *TopicConfig) UnmarshalJSON(data []byte) error {
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(data, &settings); err != nil {
		return fmt.Errorf("config: settings by name are expected: %w", err)
	}
	*c = nil
	for name, raw := range settings {
		// A pointer tells null from "".
		var value *string
		if err := json.Unmarshal(raw, &value); err != nil {
			return fmt.Errorf("config[%s]: a text in quotes is expected, such as %q, not %s", name, raw, raw)
		}
		if value == nil {
			continue
		}
		if *c == nil {
			*c = TopicConfig{}
		}
		(*c)[name] = *value
	}
	return nil
}
