package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// jsonOfYAML is YAML as JSON, as sigs.k8s.io/yaml turns it, but for numbers with a point: these keep it.
func jsonOfYAML(text []byte) ([]byte, error) {
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	return json.Marshal(plain(value))
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
