package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
	"kafka.openshift.io/kafka-apiserver/hack/internal/node"
)

// oldestKubectl is the oldest minor version 1.x that takes any name for --subresource; older ones know only those of
// Kubernetes' own kinds.
const oldestKubectl = 33

// provideKubectl puts a kubectl into the folder of programs: the one on the PATH if it is new enough, otherwise one that is
// built, which takes minutes when nothing is in the cache.
func (p places) provideKubectl(ctx context.Context) error {
	found, err := findKubectl(ctx)
	if err != nil {
		say("building kubectl, the API answers already: %v", err)
		builder := binaries.Builder{Root: p.root, Log: os.Stdout}
		if found, err = builder.Build(ctx, "kubectl"); err != nil {
			return err
		}
	}
	return node.Link(found, p.kubectl())
}

// findKubectl returns the kubectl on the PATH. The error tells why there is none that will do.
func findKubectl(ctx context.Context) (string, error) {
	found, err := exec.LookPath("kubectl")
	if err != nil {
		return "", errors.New("there is none on the PATH")
	}
	// It may be the link that an earlier run has made, which must not become a link to itself.
	if found, err = filepath.EvalSymlinks(found); err != nil {
		return "", fmt.Errorf("the one on the PATH is not there: %w", err)
	}
	out, err := exec.CommandContext(ctx, found, "version", "--client", "--output", "json").Output()
	if err != nil {
		return "", fmt.Errorf("%s does not tell its version: %w", found, err)
	}
	version, minor, err := clientVersion(out)
	if err != nil {
		return "", fmt.Errorf("%s does not tell its version: %w", found, err)
	}
	if minor < oldestKubectl {
		return "", fmt.Errorf("%s is %s, and --subresource takes any name from v1.%d on", found, version, oldestKubectl)
	}
	return found, nil
}

// clientVersion reads what kubectl version says of itself. Builds of others have a minor version such as "32+".
func clientVersion(out []byte) (version string, minor int, err error) {
	var answer struct {
		ClientVersion struct {
			Major      string `json:"major"`
			Minor      string `json:"minor"`
			GitVersion string `json:"gitVersion"`
		} `json:"clientVersion"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", 0, err
	}
	if answer.ClientVersion.Major != "1" {
		return "", 0, fmt.Errorf("the major version is %q, not 1", answer.ClientVersion.Major)
	}
	if minor, err = strconv.Atoi(strings.TrimRight(answer.ClientVersion.Minor, "+")); err != nil {
		return "", 0, fmt.Errorf("the minor version is %q", answer.ClientVersion.Minor)
	}
	return answer.ClientVersion.GitVersion, minor, nil
}
