# Flow: everything a developer does. 'make' or 'make help' lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/elasticcode/flow/cmd/flow/factory.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)'
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/flow ## Build bin/flow, one static program

.PHONY: bin/flow
bin/flow:
	@$(GOBUILD) -o $@ ./cmd/flow

.PHONY: demo
demo: bin/flow ## The main job on embedded backends: needs Go and Python 3 only
	@bash examples/demo.sh

.PHONY: test
test: ## All tests; uses, or starts, RabbitMQ, Redis and PostgreSQL on loopback
	@bash test/services.sh
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test -race -timeout 20m ./...
	@$(MAKE) --no-print-directory chaos-quick
	@$(MAKE) --no-print-directory bench-smoke
	@$(MAKE) --no-print-directory cross

.PHONY: cross
cross: ## Build for Linux and macOS, amd64 and arm64
	@for os in linux darwin; do for arch in amd64 arm64; do \
		GOOS=$$os GOARCH=$$arch $(GOBUILD) -o dist/flow-$$os-$$arch ./cmd/flow && echo "built dist/flow-$$os-$$arch"; done; done

.PHONY: lint
lint: ## Run golangci-lint with the configuration of the project
	go run $(LINT) run ./...

.PHONY: bench
bench: bench-peers ## Measure Flow, RabbitMQ alone, Celery and River on this machine (10 minutes to over half an hour)
	@cd bench && go run . -out results.json

.PHONY: bench-quick
bench-quick: bench-peers ## The same with small counts (under 5 minutes)
	@cd bench && go run . -quick -out results.json

.PHONY: bench-smoke
bench-smoke: ## See that Flow can be measured, with one round
	@bash test/services.sh
	@cd bench && go vet . && go run . -quick -only flow_services,flow_embedded,flow_shell -rounds 1 -calls 500 -out /dev/null

# Celery comes from Debian's packages; where it cannot, the table says so.
.PHONY: bench-peers
bench-peers:
	@bash test/services.sh
	@/usr/bin/python3 -c 'import celery, redis' 2>/dev/null || \
		if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
			export DEBIAN_FRONTEND=noninteractive; \
			apt-get update -q && apt-get install -q -y python3-celery python3-redis python3-kombu || true; fi

.PHONY: chaos
chaos: ## Break everything while 200,000 calls flow, and count what is lost (40 minutes to an hour)
	@bash test/services.sh
	go run ./test/chaos

.PHONY: chaos-quick
chaos-quick: ## The same with small counts (about 4 minutes)
	@bash test/services.sh
	go run ./test/chaos -quick

.PHONY: bench-go
bench-go: ## Run the Go benchmarks of all packages
	@bash test/services.sh
	go test -run '^$$' -bench . -benchtime 2s ./...

.PHONY: up
up: bin/flow ## Start everything in this terminal, on embedded backends
	@bin/flow up

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
