// Command arrows checks who imports whom in the product: layers that must not know
// each other, and dependencies that must stay out.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "kafka.openshift.io/kafka-apiserver"

// rule says that packages below From must not import packages below any of Never.
// Both are paths below the module, or whole import paths when they begin with a host.
type rule struct {
	From  string
	Never []string
	Why   string
}

// callers are the packages that put things together; what they call must not know them.
var callers = []string{"pkg/apiserver", "pkg/cmd", "pkg/controllers", "pkg/registry", "pkg/storage", "cmd"}

// resources are what is served; libraries of the registry must not know them.
var resources = []string{"pkg/registry/kafka", "pkg/registry/kafkatopic", "pkg/registry/kafkaconsumergroup"}

var rules = []rule{
	{From: "pkg/broker", Never: append([]string{"k8s.io/apiserver", "k8s.io/apimachinery", "pkg/render", "pkg/pki", "pkg/apis"}, callers...),
		Why: "the gateway knows Kafka, not who asks"},
	{From: "pkg/kafkaerr", Never: append([]string{"k8s.io", "pkg/apis", "pkg/broker", "pkg/kafkarecord"}, callers...),
		Why: "what Kafka's codes mean is the same for all"},
	{From: "pkg/kafkarecord", Never: append([]string{"k8s.io", "pkg/apis", "pkg/broker", "pkg/kafkaerr"}, callers...),
		Why: "the form of records is pure"},
	{From: "pkg/target", Never: append([]string{"k8s.io/apiserver", "pkg/render", "pkg/pki"}, callers...),
		Why: "how a Kafka is reached is the same for all who ask"},
	{From: "pkg/topics", Never: append([]string{"k8s.io/apiserver", "pkg/render", "pkg/pki", "pkg/target", "pkg/generated"}, callers...),
		Why: "how brokers get what a topic's object asks for is the same for registry and controller"},
	{From: "pkg/render", Never: append([]string{"k8s.io/apiserver", "pkg/broker", "pkg/pki"}, callers...),
		Why: "rendering is pure"},
	{From: "pkg/roll", Never: append([]string{"k8s.io", "pkg/broker", "pkg/render", "pkg/apis", "pkg/zookeeper"}, callers...),
		Why: "which node may be restarted is decided without asking anybody"},
	{From: "pkg/pki", Never: append([]string{"k8s.io/apiserver", "pkg/broker", "pkg/render", "pkg/apis"}, callers...),
		Why: "certificates are pure"},
	{From: "pkg/apis", Never: append([]string{"k8s.io/apiserver", "pkg/broker", "pkg/render"}, callers...),
		Why: "types and validation ask nobody"},
	{From: "pkg/storage", Never: []string{"pkg/broker", "pkg/registry", "pkg/controllers", "pkg/render", "pkg/cmd"},
		Why: "the storage lies below everything"},
	{From: "pkg/registry", Never: []string{"pkg/controllers", "pkg/cmd", "pkg/apiserver"},
		Why: "registries and controllers meet in the API only"},
	{From: "pkg/registry/sub", Never: resources,
		Why: "the ways of subresources are the same for all resources"},
	{From: "pkg/registry/brokered", Never: resources,
		Why: "the way of a write is the same for all resources"},
	{From: "pkg/controllers", Never: []string{"pkg/registry", "pkg/cmd", "pkg/apiserver", "pkg/storage", "k8s.io/apiserver"},
		Why: "registries and controllers meet in the API only"},
	{From: "pkg", Never: []string{"k8s.io/kubernetes", "test"},
		Why: "the product stands on the libraries"},
	{From: "cmd", Never: []string{"k8s.io/kubernetes", "test"},
		Why: "the product stands on the libraries"},
}

// floors are the packages of the gateway, the lowest first. Each may import those of the floors below, and none beside it.
var floors = [][]string{{"wire"}, {"transport"}, {"metadata"}, {"offsets"}, {"brokers", "topics", "records", "groups"}}

func init() {
	const gateway = "pkg/broker/internal/"
	for n, floor := range floors {
		for _, from := range floor {
			never := []string{}
			for _, above := range floors[n:] {
				for _, other := range above {
					if other != from {
						never = append(never, gateway+other)
					}
				}
			}
			rules = append(rules, rule{From: gateway + from, Never: never, Why: "each floor of the gateway knows those below"})
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	packages, err := list()
	if err != nil {
		return err
	}
	var broken []error
	for _, p := range packages {
		for _, r := range rules {
			if !below(p.ImportPath, r.From) {
				continue
			}
			for _, imported := range p.Imports {
				for _, never := range r.Never {
					if below(imported, never) {
						broken = append(broken, fmt.Errorf("%s imports %s: %s", p.ImportPath, imported, r.Why))
					}
				}
			}
		}
	}
	return errors.Join(broken...)
}

// list asks go for the packages of the product, without their tests: a test may put together what the code must not.
func list() ([]goPackage, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	command := exec.Command("go", "list", "-json=ImportPath,Imports", "./cmd/...", "./pkg/...")
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		packages = append(packages, p)
	}
}

func below(path, prefix string) bool {
	if first, _, _ := strings.Cut(prefix, "/"); !strings.Contains(first, ".") {
		prefix = module + "/" + prefix
	}
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
