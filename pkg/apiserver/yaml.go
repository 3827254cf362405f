package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// jsonOfYAML is YAML as JSON, as sigs.k8s.io/yaml turns it, but for numbers with a point: these keep it.
func jsonOfYAML(text []byte) ([]byte, error) {
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	value = plain(value)
	if !isText(value) {
		return nil, errNotText
	}
	return json.Marshal(value)
}

// isText tells whether all texts in a value are UTF-8.
func isText(value any) bool {
	switch of := value.(type) {
	case map[string]any:
		for key, member := range of {
			if !utf8.ValidString(key) || !isText(member) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(of, func(item any) bool { return !isText(item) })
	case string:
		return utf8.ValidString(of)
	}
	return true
}

// plain is a value of YAML as one of JSON.
func plain(value any) any {
	switch of := value.(type) {
	case map[any]any:
		members := make(map[string]any, len(of))
		for key, member := range of {
			members[fmt.Sprint(key)] = plain(member)
		}
		return members
	case []any:
		for i := range of {
			of[i] = plain(of[i])
		}
	case float64:
		if of == math.Trunc(of) && math.Abs(of) < 1<<53 {
			return json.Number(strconv.FormatFloat(of, 'f', 1, 64))
		}
	}
	return value
}

// repeatedKey is what the decoder of YAML says of a key that is there again.
var repeatedKey = regexp.MustCompile(`^line (\d+): key "?(.*?)"? already set in map$`)

// repeated looks for keys that an object of YAML has more than once.
func (m *misfits) repeated(text []byte) {
	var several *yaml.TypeError
	var value any
	if !errors.As(yaml.UnmarshalStrict(text, &value), &several) {
		return
	}
	for _, said := range several.Errors {
		if parts := repeatedKey.FindStringSubmatch(said); parts != nil {
			m.refuse(field.NewPath(parts[2]), "it is given more than once, again in line "+parts[1])
		}
	}
}
