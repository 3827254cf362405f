#!/usr/bin/env bash
# Runs layers of tests and closes with one line that counts: "N passed, N failed".
#
# usage: hack/test.sh LAYER...    with layers unit, integration, e2e, long
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# As in the Makefile: other flags would compile everything a second time.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
exec go run -C hack ./test "$@"
