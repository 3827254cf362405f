#!/usr/bin/env bash
# Runs layers of tests, all of them even when one fails, and closes with one line
# that counts: "N passed, N failed".
#
# usage: hack/test.sh LAYER...    with layers unit, integration, e2e
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# As in the Makefile: other flags would compile everything a second time.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
results=$PWD/.local/test
mkdir -p "${results}"

# run NAME DIR GO-TEST-ARGUMENT... runs tests below a module's folder.
run() {
  local name=$1 dir=$2
  shift 2
  (cd "${dir}" && "${gotestsum}" --format pkgname-and-test-fails --format-hide-empty-pkg \
    --jsonfile "${results}/${name}.json" -- "$@")
}

layer() {
  case $1 in
    unit)
      local status=0
      run unit . -timeout 10m ./cmd/... ./pkg/... || status=1
      run unit-hack hack -timeout 5m ./... || status=1
      return "${status}"
      ;;
    integration)
      local status=0 gateway
      # Built here when the cache is empty, which takes minutes: the tests' own time is for starting them.
      go run -C hack ./cluster binaries etcd kube-apiserver kube-controller-manager kubectl >/dev/null || return 1
      # The gateway's tests have brokers of their own, and both packages wait for brokers half of the time. The unit layer has run the
      # gateway's other tests.
      run integration-broker . -tags integration -timeout 20m -run '^TestReal' ./pkg/broker &
      gateway=$!
      run integration . -tags integration -timeout 30m -p 1 ./test/kafkaproc/... ./test/integration/... || status=1
      wait "${gateway}" || status=1
      return "${status}"
      ;;
    e2e)
      make --no-print-directory up
      KUBECONFIG=$PWD/.local/kubeconfig PATH=$PWD/.local/bin:$PATH \
        run e2e . -tags e2e -timeout 30m -count 1 -p 1 ./test/e2e/...
      ;;
    *)
      echo "unknown layer $1: use unit, integration or e2e" >&2
      return 2
      ;;
  esac
}

# hack is a module of its own, which has no tools.
gotestsum=$PWD/.local/codegen/gotestsum
go build -o "${gotestsum}" gotest.tools/gotestsum
rm -f "${results}"/*.json "${results}/summary"
failed_layers=()
for name in "$@"; do
  echo "== ${name}"
  layer "${name}" || failed_layers+=("${name}")
done

# count ACTION counts single tests: lines about a package name no test.
count() {
  cat "${results}"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true
}
passed=$(count pass)
failed=$(count fail)
if ((${#failed_layers[@]} > 0)); then
  echo "failed: ${failed_layers[*]}"
  # A layer that could not even start has no failed test to count.
  ((failed > 0)) || failed=${#failed_layers[@]}
fi
echo "${passed} passed, ${failed} failed" | tee "${results}/summary"
((failed == 0 && passed > 0))
