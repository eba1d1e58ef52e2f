# Sluice. `make help` lists the targets.

SHELL := /bin/sh
CACHE := $(or $(SLUICE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sluice)
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The user's own posts for `make demo`: POSTS=/path/to.jsonl.zst FORMAT=plain
POSTS :=
FORMAT := plain
ROWS := 1000000

# Flags of `make chaos`
CHAOS :=

export SLUICE_DATA ?= $(abspath ../shared/data)

.PHONY: help build demo test check bench chaos fuzz reference clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/sluice
	go build -ldflags "-X main.version=$(VERSION)" -o bin/sluice ./cmd/sluice

demo: build ## Generate a million posts, detect, and show what was found (POSTS=file FORMAT=plain for your own)
	@CHDB_LIB_PATH="$$(deploy/chdb/fetch.sh)" POSTS="$(POSTS)" FORMAT="$(FORMAT)" ROWS="$(ROWS)" deploy/examples/demo.sh

test: ## Run all tests (with the ClickHouse engine, Apache Kafka if Java and Maven are there, and under the race detector)
	CHDB_LIB_PATH="$$(deploy/chdb/fetch.sh)" KAFKA_LIB_PATH="$$(deploy/kafka/fetch.sh)" go test -timeout 20m ./...
	go test -race -short -timeout 20m $(RACE)

# Under the race detector: the packages that have goroutines of their own. The
# embedded engine is left out, since libchdb is not built for it.
RACE := ./pipeline/... ./sources/... ./operators/... ./sinks/alert ./sinks/discard ./sinks/file/... ./sinks/stdout ./internal/admin ./internal/slab ./internal/column

check: $(GOLANGCI) ## Lint, formatting, import rules, vet, staleness of generated files
	go vet ./...
	$(GOLANGCI) run
	@fixes="$$(go fix -diff ./... 2>/dev/null)"; [ -z "$$fixes" ] || { echo "$$fixes"; echo "go fix has changes: run go fix ./..."; exit 1; }

$(GOLANGCI):
	@mkdir -p $(CACHE)/bin
	GOBIN=$(CACHE)/bin/tmp go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(CACHE)/bin/tmp/golangci-lint $@

bench: build ## Measure ours beside plain ClickHouse SQL on the same file and engine
	CHDB_LIB_PATH="$$(deploy/chdb/fetch.sh)" go run ./benchmarks/compare

chaos: build ## Kill, freeze and stop processes, broker and store for 5 minutes, and compare (CHAOS="-seeds 100" for many short runs)
	CHDB_LIB_PATH="$$(deploy/chdb/fetch.sh)" KAFKA_LIB_PATH="$$(deploy/kafka/fetch.sh)" go run ./benchmarks/chaos $(CHAOS)

fuzz: ## Fuzz every target for FUZZTIME (10s) each
	@for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
			echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} $$p || exit 1; \
		done; \
	done

reference: ## Write docs/reference anew from the config types
	go run ./cmd/sluice reference docs/reference

clean: ## Remove what was built and what the demo left
	rm -rf bin data
