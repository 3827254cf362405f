#!/usr/bin/env bash
# Regenerates everything that is made from pkg/apis: deepcopy, defaults,
# conversions, OpenAPI, clients, informers, listers and apply configurations.
# The generators' version is the one of k8s.io/code-generator in go.mod, where a
# tool directive pins it.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
module=kafka.openshift.io/kafka-apiserver
boilerplate=hack/boilerplate.go.txt
openapi=pkg/generated/openapi

# The generators are installed here, not into the user's own bin folder.
GOBIN=$PWD/.local/codegen
export GOBIN
codegen=$(go list -m -f '{{.Dir}}' k8s.io/code-generator)
if [[ -z ${codegen} ]]; then
  go mod download k8s.io/code-generator
  codegen=$(go list -m -f '{{.Dir}}' k8s.io/code-generator)
fi
# shellcheck source=/dev/null
source "${codegen}/kube_codegen.sh"

kube::codegen::gen_helpers --boilerplate "${boilerplate}" pkg/apis

kube::codegen::gen_openapi \
  --extra-pkgs k8s.io/api/autoscaling/v1 \
  --output-dir "${openapi}" \
  --output-pkg "${module}/${openapi}" \
  --output-model-name-file zz_generated.model_name.go \
  --report-filename hack/openapi-violations.list \
  --update-report \
  --boilerplate "${boilerplate}" \
  pkg/apis

schema=$(mktemp)
trap 'rm -f "${schema}"' EXIT
go run "./${openapi}/cmd/models-schema" >"${schema}"

kube::codegen::gen_client \
  --with-watch \
  --with-applyconfig \
  --applyconfig-openapi-schema "${schema}" \
  --output-dir pkg/generated \
  --output-pkg "${module}/pkg/generated" \
  --boilerplate "${boilerplate}" \
  pkg/apis
