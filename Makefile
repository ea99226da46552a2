# Everything this project is built, tested and shown with. `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Debian's own Go may be older than go.mod asks for; it then fetches the one named there.
export GOTOOLCHAIN ?= auto
export CGO_ENABLED := 1

VERSION ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || sed -n 's/^\#\# \[\([0-9][^]]*\)\].*/v\1/p' CHANGELOG.md 2>/dev/null | head -n 1)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)$(shell git diff-index --quiet HEAD 2>/dev/null || echo +dirty)
versionpkg := github.com/dmthin/dmthin/internal/version
# -s -w: no symbol tables for debuggers; a panic still names functions and lines.
ldflags := -s -w $(if $(VERSION),-X $(versionpkg).Version=$(VERSION)) $(if $(COMMIT),-X $(versionpkg).Commit=$(COMMIT))

PREFIX  ?= /usr/local
DESTDIR ?=
UNITDIR ?= /etc/systemd/system
RULESDIR ?= /etc/udev/rules.d

# Where and what vm-test runs: make vm-test DISTRO=trixie ONLY=thinpool RUN=TestGrow
DISTRO ?= trixie,bookworm
ONLY   ?=
RUN    ?=
# LONG=1 also runs what takes too long for each change.
LONG   ?=
long = -tags dmtest,e2e,takeover -timeout 6h
# An emulated machine keeps about one CPU busy, so two releases side by side take little longer than one.
MACHINES ?= 2
vmtest = go run ./test/vm test -distro '$(DISTRO)' -run '$(value RUN)' -machines $(MACHINES) $(if $(HOST),-host)

.PHONY: help
help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build build/dmthind and build/dmthin
	go build -trimpath -ldflags '$(ldflags)' -o build/ ./cmd/dmthind ./cmd/dmthin

.PHONY: plugin
plugin: build ## Make build/plugin, ready for docker plugin create
	@scripts/plugin-rootfs build/plugin

.PHONY: run
run: deps plugin ## Show it at work: a VM with dockerd on the plugin, then a shell there
	@scripts/demo

share := $(DESTDIR)$(PREFIX)/share

.PHONY: install
install: build ## Install the host daemon, the tool, udev rule, man pages, completions; honours DESTDIR, PREFIX, UNITDIR and RULESDIR
	install -D -m 755 build/dmthind $(DESTDIR)$(PREFIX)/sbin/dmthind
	install -D -m 755 build/dmthin $(DESTDIR)$(PREFIX)/bin/dmthin
	install -d $(DESTDIR)$(UNITDIR)
	sed 's,/usr/local/sbin/,$(PREFIX)/sbin/,' contrib/systemd/dmthin.service >$(DESTDIR)$(UNITDIR)/dmthin.service
	install -D -m 644 contrib/udev/09-dmthin.rules $(DESTDIR)$(RULESDIR)/09-dmthin.rules
	install -d $(share)/man/man1 $(share)/man/man8 $(share)/bash-completion/completions $(share)/zsh/site-functions $(share)/fish/vendor_completions.d
	build/dmthin man $(share)/man/man1
	build/dmthind --man $(share)/man/man8
	build/dmthin completion bash >$(share)/bash-completion/completions/dmthin
	build/dmthin completion zsh >$(share)/zsh/site-functions/_dmthin
	build/dmthin completion fish >$(share)/fish/vendor_completions.d/dmthin.fish

.PHONY: test
test: test-deps ## Run everything that a change needs before it lands (as root)
	@scripts/test

.PHONY: lint
lint: ## Check formatting, Go code, import rules and shell scripts
	@scripts/lint

.PHONY: audit
audit: plugin ## Look for known vulnerabilities, check licences, write build/sbom.cdx.json
	@scripts/audit

.PHONY: unit
unit: ## Run the tests that need no root and no particular kernel
	go test -race ./...
	go test -tags failpoint ./internal/failpoint
	cd tools/audit && go test ./...
	cd test/bench && go test ./...

.PHONY: fuzz
fuzz: ## Try generated inputs on everything that parses, FUZZTIME=20s each; takes RUN
	@scripts/fuzz '$(value RUN)'

.PHONY: root-test
root-test: ## Run the tests that need root, loop devices and mounts, on this machine
	go test -race -count=1 -tags roottest $(rootpackages)
rootpackages = $(shell grep -rl --include='*_test.go' '^//go:build.*roottest' plugin internal cmd test | xargs -n1 dirname | sort -u | sed 's,^,./,')

# Layers whose blocks and whose files must tell the same: make fuzz-diff FUZZDIFF=2h
FUZZDIFF ?= 10m
.PHONY: fuzz-diff
fuzz-diff: ## Compare random layers by blocks and by files for FUZZDIFF=10m (as root)
	go test -tags roottest -count=1 -timeout 0 -v -run '^TestFuzz$$' ./internal/blockdiff -fuzzfor $(FUZZDIFF)

.PHONY: vm-image
vm-image: ## Build the virtual machines' images, where they are not cached
	@go run ./test/vm image

.PHONY: old-docker
old-docker: ## Get the programs of a Docker that has the devicemapper driver
	@scripts/old-docker build/docker-20.10

.PHONY: released-docker
released-docker: ## Build the dockerds that the long tests need and Debian does not have
	@scripts/docker-from-source build $(released)
released := 27.5.1 28.0.4 # as in test/e2e/releases_test.go

.PHONY: crash-build
crash-build: build ## Build build/crash/dmthind, the daemon with failpoints
	go build -trimpath -tags failpoint -ldflags '$(ldflags)' -o build/crash/ ./cmd/dmthind

.PHONY: crash
crash: crash-build ## Replay power cuts, fail daemon and disks, plant faults; CUTS=0 replays all, POINTS=20 hits fewer, takes RUN
	@scripts/crash '$(value RUN)'

.PHONY: soak
soak: crash-build ## Have 32 clients at work for SOAK=3m, and the daemon die now and then, in a VM
	@scripts/soak

.PHONY: load
load: crash-build ## Try ten thousand layers, a million files and the like in a VM; SCALE=1 for a hundredth
	@scripts/soak '^TestLoad'

.PHONY: vm-test
vm-test: plugin old-docker crash-build $(if $(LONG),released-docker) ## Run the tests that need device-mapper, in VMs; takes DISTRO, ONLY, RUN, LONG=1, HOST=1
	@$(vmtest) -only '$(value ONLY)' $(if $(LONG),$(long),-short)

.PHONY: test-long
test-long: LONG = 1
test-long: released-docker vm-test crash ## Before a release: all tests in VMs, those that make test leaves out too (hours)

.PHONY: take-over
take-over: DISTRO = trixie
take-over: RUN = ^Test(APowerCut|DamageThat|Adopt|Move|ManualTakeOver)|adopt-powercut
take-over: plugin old-docker released-docker ## Test the take-over whole, in VMs, in one to two hours; takes DISTRO, RUN, HOST=1
	@$(vmtest) $(long) -only '^(internal/takeover|test/e2e)$$'

.PHONY: conformance
conformance: build ## Run the whole of Docker's own graphdriver suite, in VMs; takes DISTRO, RUN, HOST=1
	@$(vmtest) -only '^test/conformance$$'

.PHONY: bench
bench: build old-docker ## Measure dmthin beside Docker's devicemapper driver and overlay2, in a VM; takes RUN, FLAGS
	@scripts/bench $(if $(value RUN),-only '$(value RUN)') $(FLAGS)

.PHONY: bench-quick
bench-quick: build ## The same in five minutes, smaller and coarser; takes RUN
	@scripts/bench -scale quick $(if $(value RUN),-only '$(value RUN)') $(FLAGS)

.PHONY: dockerfile
dockerfile: plugin ## Build the Dockerfile with a real docker build, compare with build/plugin
	@scripts/test-dockerfile

.PHONY: cover
cover: ## Print the statement coverage of the packages that must have 85 %
	@scripts/cover

.PHONY: deps
deps: ## Install what building and the VMs need, where it is missing (root)
	@scripts/deps

.PHONY: test-deps
test-deps: ## Install what make test needs besides
	@scripts/deps test

.PHONY: clean
clean: ## Remove build/; images and caches stay
	rm -rf build

.PHONY: distclean
distclean: clean ## Remove the caches as well
	rm -rf .cache
