package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

// annotationApplied on a host object is a hash of what was last applied to it. Together with contains it tells without a request
// whether applying again would change anything: the hash differs when a field is to go, contains fails when a field is missing or
// somebody changed it.
const annotationApplied = "kafka.openshift.io/applied"

// appliedHash is a hash of an apply configuration.
func appliedHash(desired any) (string, error) {
	raw, err := json.Marshal(desired)
	if err != nil {
		return "", fmt.Errorf("encode apply configuration: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}

// contains tells whether every field of desired has the same value in live, both in their JSON form. Lists have to have the same
// elements up to the end of desired's: admission may append, as it does with volumes and containers. What is empty in desired may
// be absent in live.
func contains(live, desired any) (bool, error) {
	l, err := tree(live)
	if err != nil {
		return false, err
	}
	d, err := tree(desired)
	if err != nil {
		return false, err
	}
	return within(d, l), nil
}

func tree(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return out, nil
}

func within(desired, live any) bool {
	switch d := desired.(type) {
	case map[string]any:
		if len(d) == 0 && live == nil {
			return true
		}
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range d {
			// A typed object has no kind when it comes from a cache.
			if (key == "kind" || key == "apiVersion") && l[key] == nil {
				continue
			}
			if !within(value, l[key]) {
				return false
			}
		}
		return true
	case []any:
		l, _ := live.([]any)
		if len(l) < len(d) {
			return false
		}
		for i := range d {
			if !within(d[i], l[i]) {
				return false
			}
		}
		return true
	default:
		// JSON drops zero values of typed objects: false and "" may be absent.
		if live == nil {
			return desired == nil || reflect.ValueOf(desired).IsZero()
		}
		return reflect.DeepEqual(desired, live)
	}
}
