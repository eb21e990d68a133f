# Flow: everything a developer does. 'make' or 'make help' lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/elasticcode/flow/cmd/flow/factory.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0

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
	@$(MAKE) --no-print-directory cross

.PHONY: cross
cross: ## Build for Linux and macOS, amd64 and arm64
	@for os in linux darwin; do for arch in amd64 arm64; do \
		GOOS=$$os GOARCH=$$arch $(GOBUILD) -o dist/flow-$$os-$$arch ./cmd/flow && echo "built dist/flow-$$os-$$arch"; done; done

.PHONY: lint
lint: ## Run golangci-lint with the configuration of the project
	go run $(LINT) run ./...

.PHONY: bench
bench: ## Run the Go benchmarks of all packages
	@bash test/services.sh
	go test -run '^$$' -bench . -benchtime 2s ./...

.PHONY: up
up: bin/flow ## Start everything in this terminal, on embedded backends
	@bin/flow up

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
