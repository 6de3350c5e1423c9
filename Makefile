# The tools that are no part of the program. internal/tools/go.mod pins their versions.
TOOL = go tool -modfile="$(CURDIR)/internal/tools/go.mod"
AXE  = axe-core@4.14.1

.DEFAULT_GOAL := help

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## sign in to a stand-in for Zoom: no account, no .env
	@go build -buildvcs=false -o .run/zoom-oauth .
	@.run/zoom-oauth -demo

run: ## sign in to Zoom, with the settings in .env
	@go build -buildvcs=false -o .run/zoom-oauth .
	@.run/zoom-oauth

dev: ## like run, but restart when a file is saved (ARGS=-demo for the demo)
	@trap : INT; $(TOOL) air -build.cmd 'go build -buildvcs=false -o .run/zoom-oauth .' \
		-build.entrypoint .run/zoom-oauth -build.args_bin '$(ARGS)' \
		-build.include_ext go,html,css,js -build.include_file .env \
		-build.exclude_dir .run,internal/e2e,internal/tools -build.exclude_regex _test.go \
		-build.send_interrupt true -build.stop_on_error true \
		-misc.startup_banner '' -tmp_dir .run || test $$? -ge 128

build: ## build the binary: static, reproducible, in one file
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -o zoom-oauth .

test: ## run the tests
	go test ./...

fuzz: ## throw random queries and cookies at / for a minute
	go test -run '^$$' -fuzz FuzzRoot -fuzztime $(or $(FUZZTIME),60s) .

bench: ## measure a redirect and a sign-in, each beside a bare handler
	go test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),3s) .

lint: ## check formatting, go vet (for other systems, too) and staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "make fmt would change: $$unformatted"; exit 1; }
	go vet ./... && GOOS=windows go vet ./... && GOOS=darwin go vet ./...
	$(TOOL) staticcheck ./...
	cd internal/e2e && go vet ./... && $(TOOL) staticcheck ./...

fmt: ## format the code
	gofmt -w .

e2e: internal/e2e/.cache/$(AXE)/axe.min.js ## drive the built binary with Chromium, and follow the README
	@command -v chromium >/dev/null || { echo "make e2e needs Chromium: apt-get install chromium"; exit 1; }
	cd internal/e2e && AXE="$(CURDIR)/$<" go test -count=1 -v -skip '^TestReplicas' .

replicas: ## run three replicas behind nginx, and kill one in the middle
	@command -v nginx >/dev/null || { echo "make replicas needs nginx: apt-get install nginx-light"; exit 1; }
	cd internal/e2e && go test -count=1 -v -run '^TestReplicas' .

internal/e2e/.cache/$(AXE)/axe.min.js:
	@command -v npm >/dev/null || { echo "make e2e fetches $(AXE) with npm: apt-get install npm"; exit 1; }
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent $(AXE) && tar -xzf *.tgz --strip-components=1 package/axe.min.js && rm *.tgz

.PHONY: help demo run dev build test fuzz bench lint fmt e2e replicas
