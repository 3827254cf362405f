// Package repo finds the checkout that a command works on.
package repo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// module is the first line of the go.mod at the root of the checkout.
const module = "module kafka.openshift.io/kafka-apiserver\n"

// Root returns the root of the checkout that holds the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the working directory: %w", err)
	}
	return rootOf(dir)
}

func rootOf(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		content, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && bytes.Contains(append([]byte("\n"), content...), []byte("\n"+module)) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no checkout of kafka-apiserver holds %s: run this inside one", dir)
		}
	}
}
