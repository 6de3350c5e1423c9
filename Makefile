# The tools that are no part of the program. internal/tools/go.mod pins their versions.
TOOL = go tool -modfile="$(CURDIR)/internal/tools/go.mod"

# The npm packages that make e2e needs, and where it keeps them.
AXE     = axe-core@4.14.1
MERMAID = mermaid@11.17.2
CACHE   = internal/e2e/.cache

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

bench: ## measure a redirect to Zoom and a sign-in
	go test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),3s) .

lint: ## check formatting, go vet (for other systems, too) and staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "make fmt would change: $$unformatted"; exit 1; }
	go vet ./... && GOOS=windows go vet ./... && GOOS=darwin go vet ./...
	$(TOOL) staticcheck ./...
	cd internal/e2e && go vet ./... && $(TOOL) staticcheck ./...

fmt: ## format the code
	gofmt -w .

e2e: $(CACHE)/$(AXE)/package/axe.min.js $(CACHE)/$(MERMAID)/package/dist/mermaid.min.js ## drive the built binary with Chromium, and follow the README
	@command -v chromium >/dev/null || { echo "make e2e needs Chromium: apt-get install chromium"; exit 1; }
	cd internal/e2e && AXE="$(CURDIR)/$<" MERMAID="$(CURDIR)/$(word 2,$^)" go test -count=1 -parallel=4 -v -skip '^TestReplicas' .

replicas: ## run three replicas behind nginx, and kill one in the middle
	@command -v nginx >/dev/null || { echo "make replicas needs nginx: apt-get install nginx-light"; exit 1; }
	cd internal/e2e && go test -count=1 -v -run '^TestReplicas' .

# A file of an npm package. What % stands for is NAME@VERSION/package/PATH.
NPM = $(firstword $(subst /, ,$*))
$(CACHE)/%:
	@command -v npm >/dev/null || { echo "make e2e fetches $(NPM) with npm: apt-get install npm"; exit 1; }
	mkdir -p $(CACHE)/$(NPM)
	cd $(CACHE)/$(NPM) && npm pack --silent $(NPM) && tar -xzf *.tgz $(*:$(NPM)/%=%) && rm *.tgz

.PHONY: help demo run dev build test bench lint fmt e2e replicas
