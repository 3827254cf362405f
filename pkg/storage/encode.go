package storage

import (
	"bytes"
	"encoding/json"
)

// Encode is json.Marshal without what that does for the sake of HTML: it makes six bytes of each < and &, and settings may have many of them.
func Encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
