package v1beta1

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TopicConfig are settings by name. A null is read as if the setting were not named: it is how a merge patch and people who write
// manifests say that an override goes. Without this type it would be read as an empty string, which is a value.
type TopicConfig map[string]string

// ResourceList are quantities of resources by name. A null is read as in TopicConfig; it would be read as 0, which is a limit.
type ResourceList map[corev1.ResourceName]resource.Quantity

// BrokerConfig are settings by name, read as TopicConfig is.
type BrokerConfig map[string]string

var (
	_ json.Unmarshaler = (*TopicConfig)(nil)
	_ json.Unmarshaler = (*BrokerConfig)(nil)
	_ json.Unmarshaler = (*ResourceList)(nil)
)

// UnmarshalJSON implements json.Unmarshaler.
func (c *TopicConfig) UnmarshalJSON(data []byte) error {
	return readSettings(data, (*map[string]string)(c))
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *BrokerConfig) UnmarshalJSON(data []byte) error {
	return readSettings(data, (*map[string]string)(c))
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *ResourceList) UnmarshalJSON(data []byte) error {
	var quantities map[corev1.ResourceName]*resource.Quantity
	if err := json.Unmarshal(data, &quantities); err != nil {
		return fmt.Errorf("resources: quantities by name are expected: %w", err)
	}
	*l = nil
	for name, quantity := range quantities {
		if quantity == nil {
			continue
		}
		if *l == nil {
			*l = ResourceList{}
		}
		(*l)[name] = *quantity
	}
	return nil
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
