# Everything that is made, run and checked here; `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help

# The same flags everywhere, so that Go's build cache holds each package once: a second set is minutes of compiling.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false

LOCAL := $(CURDIR)/.local
CLUSTER := go run -C hack ./cluster

# What belongs to the cluster of `make up` uses its kubeconfig; `make deploy` uses the caller's.
IN_CLUSTER := KUBECONFIG=$(LOCAL)/kubeconfig PATH=$(LOCAL)/bin:$(PATH)

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run the API server and one Apache Kafka on loopback, without Kubernetes (BOOTSTRAP=host:port uses that broker).
	@# Ctrl-C reaches all that is in the terminal's foreground, and make would end with an error. With job control that is the program
	@# alone, unless it takes the place of the shell, as the last command does.
	@if [[ -t 0 ]]; then set -m; fi; go run -C hack ./run; true

.PHONY: up
up: ## Start a real one-node Kubernetes with kafka-apiserver deployed in it, or mend it.
	$(CLUSTER) up
	$(MAKE) --no-print-directory deploy-local
	@printf '\nThe cluster is up. Type next:\n  export KUBECONFIG=%s PATH=%s:$$PATH\n  kubectl create -f artifacts/examples/kafka-kraft.yaml\n' \
	  '$$PWD/.local/kubeconfig' '$$PWD/.local/bin'

.PHONY: down
down: ## Stop the cluster of `make up` and everything in it.
	$(CLUSTER) down --wipe

.PHONY: build
build: $(LOCAL)/bin/kafka-apiserver ## Build the static binary.

.PHONY: $(LOCAL)/bin/kafka-apiserver
$(LOCAL)/bin/kafka-apiserver:
	@mkdir -p $(@D)
	go build -ldflags '-s -w' -o $@ ./cmd/kafka-apiserver

.PHONY: images
images: build ## Build all container images as archives.
	$(CLUSTER) images --binary $(LOCAL)/bin/kafka-apiserver

.PHONY: deploy
deploy: ## Deploy into the cluster of the current kubeconfig (the image kafka-apiserver:dev has to be there).
	hack/deploy.sh $${OVERLAY:-base}

.PHONY: deploy-local
deploy-local: build # Deploy into the cluster of `make up`.
	$(CLUSTER) images --load --binary $(LOCAL)/bin/kafka-apiserver kafka-apiserver:dev
	$(IN_CLUSTER) hack/deploy.sh local "$$(sha256sum $(LOCAL)/bin/kafka-apiserver | cut -c1-16)"

.PHONY: test
test: ## Run all tests: unit, integration and e2e.
	hack/test.sh unit integration e2e

.PHONY: test-unit
test-unit: ## Run the unit tests.
	hack/test.sh unit

.PHONY: test-integration
test-integration: ## Run the tests with a real kube-apiserver, kube-controller-manager, etcd and Apache Kafka as processes.
	hack/test.sh integration

.PHONY: test-e2e
test-e2e: ## Run the tests in the cluster of `make up`, starting it if need be.
	hack/test.sh e2e

.PHONY: test-long
test-long: ## Run the unit tests five times in random order, and what takes long with real brokers; CI does not.
	hack/test.sh long

.PHONY: bench
bench: up ## Measure, print a table, and write .local/bench/results.json.
	$(IN_CLUSTER) go run ./test/bench

.PHONY: verify
verify: ## Check formatting, vet, staticcheck, go.mod, generated code, manifests, imports and shell scripts.
	hack/verify.sh

.PHONY: codegen
codegen: ## Regenerate what is made from pkg/apis.
	hack/update-codegen.sh

.PHONY: clean
clean: ## Remove what builds and tests left in this folder; the cluster has to be down.
	@if [[ -d $(LOCAL)/cluster ]]; then $(CLUSTER) down --wipe; fi
	rm -rf $(LOCAL)
