#!/usr/bin/env bash
# Checks everything that has one right answer. Each check names what to do about it.
# shellcheck disable=SC2317 # every function is called through `check`
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# As in the Makefile: other flags would compile everything a second time.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
failed=0
check() {
  local name=$1
  shift
  if "$@"; then
    echo "ok    ${name}"
  else
    echo "FAIL  ${name}" >&2
    failed=1
  fi
}

own_go_files() {
  git ls-files --cached --others --exclude-standard '*.go'
}

formatted() {
  local files
  files=$(own_go_files | xargs gofmt -l)
  [[ -z ${files} ]] || { echo "run gofmt -w on: ${files}" >&2 && return 1; }
}

vetted() {
  go vet -tags integration,e2e,long ./... && go vet -C hack ./...
}

# Generated code is the generators' matter: it uses what they still support.
static() {
  local staticcheck=$PWD/.local/codegen/staticcheck
  go build -o "${staticcheck}" honnef.co/go/tools/cmd/staticcheck &&
    go list ./... | grep --invert-match /pkg/generated/ | xargs "${staticcheck}" -tags integration,e2e,long &&
    (cd hack && "${staticcheck}" ./...)
}

tidy() {
  if ! go mod tidy -diff || ! (cd hack && go mod tidy -diff); then
    echo "run go mod tidy" >&2
    return 1
  fi
}

# Regenerates in a copy, so that a check never changes the checkout.
generated() {
  local copy status=0
  copy=$(mktemp -d)
  git ls-files --cached --others --exclude-standard -z | tar --null --files-from - --create | tar --extract --directory "${copy}"
  "${copy}/hack/update-codegen.sh" >"${copy}/codegen.log" 2>&1 || { cat "${copy}/codegen.log" >&2; status=1; }
  for path in pkg/apis pkg/generated hack/openapi-violations.list; do
    diff --recursive --brief "${path}" "${copy}/${path}" || status=1
  done
  rm -rf "${copy}"
  ((status == 0)) || { echo "run make codegen" >&2 && return 1; }
}

manifests() {
  local kubectl overlay
  kubectl=$(go run -C hack ./cluster binaries kubectl | sed 's/^kubectl=//') || return 1
  for overlay in base ha local; do
    "${kubectl}" kustomize "artifacts/deploy/${overlay}" >/dev/null || return 1
  done
}

arrows() {
  go run -C hack ./arrows
}

# The scripts that pods run have no first line of their own, and read files that are only there in a pod (SC1091).
shells() {
  if ! command -v shellcheck >/dev/null; then
    if [[ $(id -u) != 0 ]]; then
      echo "install shellcheck" >&2
      return 1
    fi
    { apt-get update && apt-get install --yes --no-install-recommends shellcheck; } >/dev/null
  fi
  git ls-files --cached --others --exclude-standard '*.sh' .ci/run | xargs shellcheck --shell=bash --exclude=SC1091
}

check gofmt formatted
check "go vet" vetted
check staticcheck static
check "go mod tidy" tidy
check "generated code" generated
check manifests manifests
check "import arrows" arrows
check shellcheck shells
exit "${failed}"
