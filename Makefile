# livepipe: `make` lists the targets. Go and make are all that run, build, test and bench need.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI := bin/golangci-lint-v2.15.0
SCHEMATHESIS := bin/schemathesis-4.32.5/bin/schemathesis
# A count, not a time: at the end of a time, Go 1.26 may report its own deadline as a failure (golang/go#75804).
FUZZTIME ?= 20000x
CORPUS := test/testdata/fuzz.tar.gz
AWS_TESTS := TestEndToEnd/SNS|TestLambda|TestQueue|TestAccountsOutliveTheStore

.PHONY: help run build test test-aws race-aws test-contract check fmt lint vet race fuzz fuzz-keep deploy-lint bench bench-aws kill-test compose-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and run everything in one process on 127.0.0.1:8080, data under ./data
	@exec bin/livepipe serve

build: ## bin/livepipe, static, version stamped
	@[ -x bin/livepipe ] || echo 'building bin/livepipe: the first time takes a minute or two'
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/livepipe ./cmd/livepipe

test: ## every test that needs only Go and make, the kill tests included
	CGO_ENABLED=0 go test -timeout 20m ./...

test-aws: ## the suites and the end-to-end bodies over SNS, SQS, PostgreSQL and S3 (LocalStack; brings what is missing)
	CGO_ENABLED=0 test/aws.sh go test -count=1 -timeout 30m ./internal/amazon ./internal/postgres ./internal/blobs
	CGO_ENABLED=0 test/aws.sh go test -count=1 -timeout 30m -run '$(AWS_TESTS)' ./test

race-aws: ## Watermill's suite over SNS and SQS with the race detector (needs gcc)
	CGO_ENABLED=1 test/aws.sh go test -race -count=1 -timeout 30m -run TestWatermillSuite ./internal/amazon

test-contract: build $(SCHEMATHESIS) ## schemathesis against a live server, by docs/openapi.yaml (needs python3 with venv, and curl)
	SCHEMATHESIS=$(SCHEMATHESIS) test/contract.sh

check: fmt lint vet race fuzz ## what must hold before a commit lands: format, lint, vet, -race (needs gcc), short fuzz

fmt: $(GOLANGCI) ## fail when a file is not formatted
	$(GOLANGCI) fmt --diff

lint: $(GOLANGCI) ## golangci-lint, the dependency rules included
	$(GOLANGCI) run

vet: ## go vet
	go vet ./...

race: ## the same tests with the race detector (needs gcc)
	CGO_ENABLED=1 go test -race -timeout 30m ./...

fuzz: ## every fuzz target for FUZZTIME (default 20000x: inputs; 10m is a campaign), from the corpus of earlier runs
	@mkdir -p "$$(go env GOCACHE)/fuzz" && tar -xzf $(CORPUS) -C "$$(go env GOCACHE)/fuzz"
	@packages=$$(go list -f '{{.ImportPath}} {{.Dir}}' ./...) || exit 1; \
	echo "$$packages" | while read -r pkg dir; do \
		for target in $$(cat $$dir/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
			echo "fuzz $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$pkg || exit 1; \
		done; \
	done

fuzz-keep: ## keep what the fuzz runs on this machine have found new
	tar -c --sort=name --owner=0 --group=0 --mtime=@0 -C "$$(go env GOCACHE)/fuzz" github.com/livepipe/livepipe | gzip -9n > $(CORPUS)

kill-test: ## the long kill test: KILLS=200 by default
	KILLS=$${KILLS:-200} CGO_ENABLED=0 go test -count=1 -timeout 120m -run Kill -v ./test/

bench: ## the numbers of docs/benchmarks.md, printed as ratios of one run
	CGO_ENABLED=0 go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./test
	CGO_ENABLED=0 go test -run '^$$' -bench Accepted -benchmem ./ingress
	CGO_ENABLED=0 go test -run '^$$' -bench 'SaveMessage|Page' -timeout 30m ./internal/sqlite
	CGO_ENABLED=0 go test -run '^$$' -bench DurablePublish ./internal/jetstream
	CGO_ENABLED=0 go test -run '^$$' -bench Engine -benchmem ./internal/lanes

bench-aws: ## ours against stock watermill-aws, in the same run; AWS_ENDPOINT_URL names another broker than LocalStack
	CGO_ENABLED=0 test/aws.sh go test -run '^$$' -bench AgainstStock -benchtime 1x -timeout 60m -v ./internal/amazon
	CGO_ENABLED=0 test/aws.sh go test -run '^$$' -bench . -timeout 60m ./internal/postgres

compose-test: ## docker compose up on this tree, the contract's examples, a scaled worker, down and up again (needs Docker)
	test/compose.sh

deploy-lint: ## shell scripts and CloudFormation template (needs shellcheck and cfn-lint); make test reads the compose file
	shellcheck test/*.sh localstack/*.sh localstack/ready.d/*.sh .ci/run
	cfn-lint deploy/cloudformation/*.yaml

clean: ## remove what build made; the data stays
	rm -rf bin

$(GOLANGCI):
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv bin/golangci-lint $@

$(SCHEMATHESIS):
	python3 -m venv bin/schemathesis-4.32.5
	bin/schemathesis-4.32.5/bin/pip install -q schemathesis==4.32.5
