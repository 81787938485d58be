# SPDX-License-Identifier: Apache-2.0
#
# `make help` lists what can be made. Everything works on a clean clone, on Debian 12 or later with a Swift toolchain in
# the PATH: what else is missing is installed first (Tests/Tools/packages.sh, through apt-get, with sudo where needed).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

SWIFT ?= swift
# An import that no dependency in Package.swift allows is an error, for every build.
BUILD := $(SWIFT) build --explicit-target-dependency-import-check error
# What is often and what is rare in a server's day, as one has counted it (`make profile`): the compiler lays the code out by it.
# Counts of another version of the compiler are of no use to this one, which then goes without.
PROFILE := packaging/gatehouse.profdata
PROFILE_TOOL = $(dir $(shell readlink -f "$$(command -v $(SWIFT))"))llvm-profdata
# What is local to a file is counted under that file's path; of this the folders, which differ from one machine to the next, are left out.
PROFILE_NAMES := -Xswiftc -Xllvm -Xswiftc -static-func-strip-dirname-prefix=64
PROFILE_USE = $(if $(filter 0,$(shell $(PROFILE_TOOL) show $(PROFILE) >/dev/null 2>&1; echo $$?)),$(PROFILE_NAMES) -Xswiftc -Xfrontend -Xswiftc -ir-profile-use=$(CURDIR)/$(PROFILE))
# Each function in a section of its own; the linker lays them side by side as a server calls them.
RELEASE = $(BUILD) -c release --static-swift-stdlib -Xswiftc -Xfrontend -Xswiftc -function-sections
ORDER := packaging/gatehouse.order
ORDER_USE := -Xlinker --symbol-ordering-file=$(CURDIR)/$(ORDER) -Xlinker --no-warn-symbol-ordering
SYSTEM_MODULES := $(patsubst Sources/Modules/%/module.modulemap,%,$(wildcard Sources/Modules/*/module.modulemap))
STAMPS := .build/stamps
CLIENTS := Tests/Clients
PYTHON := .venv-clients/bin/python
# Numpy and its kind, for programs in boxes: outside of the folders of which a box has its own.
export GATEHOUSE_SANDBOX_VENV ?= $(if $(filter 0,$(shell id -u)),/opt/gatehouse-test-venv,$(HOME)/.cache/gatehouse-test-venv)

.PHONY: help run build release deb prove-deb test test-swift test-clients prove bench check format clean packages packages-test packages-deb shims
.PHONY: fuzz fuzz-build fuzz-merge sanitize store-bench limiter-bench profile

help: ## What can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build, and serve for development on https://localhost:8443
	exec .build/debug/gatehouse dev

build: packages shims ## Build for development: .build/debug/gatehouse
	$(BUILD) --product gatehouse

release: packages shims $(STAMPS)/profile ## Build for delivery: .build/gatehouse, one stripped file with the Swift runtime inside
	$(RELEASE) $(PROFILE_USE) $(ORDER_USE) --product gatehouse
	install -m 0755 "$$($(SWIFT) build -c release --static-swift-stdlib --show-bin-path)/gatehouse" .build/gatehouse.new
	strip .build/gatehouse.new
	mv .build/gatehouse.new .build/gatehouse
	@ls -l .build/gatehouse

deb: packages-deb release ## Build the Debian package: .build/deb/gatehouse_VERSION_ARCHITECTURE.deb
	packaging/build.sh

prove-deb: deb ## The package in virtual machines with a real systemd, Debian 12's and 13's, as root: some forty minutes
	Tests/Tools/packages.sh machine
	Tests/Tools/package-machine.sh bookworm
	Tests/Tools/package-build.sh trixie
	Tests/Tools/package-machine.sh trixie "$$(ls .build/deb-trixie/gatehouse_*_amd64.deb)"

test: packages-test shims venvs ## All tests: Swift's, and real clients against the real binary
	$(BUILD) --build-tests
	python3 Tests/Tools/suites.py swift mock clients

test-swift: packages shims ## Swift's tests only; FILTER=JSONTests for some of them
	$(BUILD) --build-tests
	python3 Tests/Tools/suites.py swift $(if $(FILTER),--filter '$(FILTER)')

test-clients: packages-test shims venvs ## The client suites only; ARGS='-k cancel' for some of them
	$(BUILD) --product gatehouse
	$(BUILD) --product StoreSweep
	python3 Tests/Tools/suites.py clients -- $(ARGS)

prove: packages-test release venvs ## The random and timing tests again, longer, and the sanitizers: more than an hour
	$(BUILD) --build-tests
	python3 Tests/Tools/suites.py prove prove-swift
	$(MAKE) sanitize
	if [ "$$(id -u)" = 0 ]; then $(MAKE) prove-deb; else echo 'make: the virtual machines are for root: make prove-deb'; fi

bench: packages-bench release store-bench limiter-bench venv-litellm venv-sandbox ## Speed beside nginx and LiteLLM, some half an hour; QUICK=1, ONLY=latency, WRITE=1 (README)
	python3 Tests/Bench/bench.py $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)') $(if $(WRITE),--write)

store-bench: packages shims $(STAMPS)/profile
	$(RELEASE) $(PROFILE_USE) --product StoreBench

limiter-bench: packages shims $(STAMPS)/profile
	$(RELEASE) $(PROFILE_USE) --product LimiterBench

profile: packages-profile shims ## Count anew what is often in a server's day, for compiler and linker: some fifteen minutes
	$(RELEASE) --scratch-path .build/profile $(PROFILE_NAMES) -Xswiftc -Xfrontend -Xswiftc -ir-profile-generate \
		-Xswiftc -Xclang-linker -Xswiftc -fprofile-generate --product gatehouse
	GATEHOUSE_BINARY=$(CURDIR)/.build/profile/release/gatehouse python3 Tests/Bench/train.py $(PROFILE)
	$(MAKE) release
	GATEHOUSE_BINARY=$(CURDIR)/.build/release/gatehouse python3 Tests/Bench/order.py $(ORDER)

# Where the code is the same, the compiler leaves an object as it is, also with other counts, and the linker the program.
$(STAMPS)/profile: $(PROFILE) $(ORDER)
	rm -f .build/*/release/*.build/*.o
	mkdir -p $(STAMPS)
	touch $@

check: packages-test shims venv-clients ## Format, direction of imports, warnings, scripts
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	python3 Tests/Tools/imports.py
	python3 packaging/pages.py --check
	$(BUILD) --build-tests
	$(PYTHON) -m compileall -q $(CLIENTS) Tests/Tools Tests/Bench packaging
	$(PYTHON) -m pyflakes $(CLIENTS) Tests/Tools Tests/Bench packaging
	for script in Tests/Tools/*.sh packaging/*.sh .ci/run; do bash -n "$$script"; done

# SwiftPM hands over one sanitizer as a second, which the compiler takes for the only one: both are named again in one.
fuzz-build: packages shims
	FUZZ=1 $(BUILD) -c release --sanitize fuzzer -Xswiftc -sanitize=fuzzer,address -Xswiftc -enable-testing \
		--scratch-path .build/fuzz

fuzz: fuzz-build ## Fuzzers with AddressSanitizer, a million runs each; RUNS=20000, TARGET='JSON TOML' for fewer
	python3 Tests/Tools/fuzz.py --self-test
	python3 Tests/Tools/fuzz.py --runs $(or $(RUNS),1000000) $(TARGET)

fuzz-merge: fuzz-build ## What the fuzzers found worth keeping, minimised, into Tests/Fuzz/Corpora
	python3 Tests/Tools/fuzz.py --merge $(TARGET)

sanitize: packages shims ## Swift's tests under ThreadSanitizer and AddressSanitizer, as far as CONTRIBUTING says
	$(BUILD) --build-tests --sanitize thread --scratch-path .build/thread
	$(BUILD) --build-tests --sanitize address --scratch-path .build/address
	python3 Tests/Tools/sanitize.py

format: ## Put the Swift sources into their format
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

clean: ## Remove what was built (not the data directory)
	rm -rf .build .venv-clients .venv-litellm

packages:
	@Tests/Tools/packages.sh build

packages-test:
	@Tests/Tools/packages.sh build test

packages-deb:
	@Tests/Tools/packages.sh build deb

packages-bench:
	@Tests/Tools/packages.sh build test bench

packages-profile:
	@Tests/Tools/packages.sh build test bench profile

.PHONY: venvs venv-clients venv-litellm venv-sandbox packages-bench packages-profile
venvs: venv-clients venv-litellm venv-sandbox
venv-sandbox:
	@PYTHON=/usr/bin/python3 Tests/Tools/venv.sh $(GATEHOUSE_SANDBOX_VENV) $(CLIENTS)/requirements-sandbox.txt
venv-litellm:
	@Tests/Tools/venv.sh .venv-litellm $(CLIENTS)/requirements-litellm.txt $(CLIENTS)/constraints-litellm.txt
venv-clients:
	@Tests/Tools/venv.sh .venv-clients $(CLIENTS)/requirements.txt

# SwiftPM does not notice a change in a system module's headers: whoever imports the module is touched.
shims: $(SYSTEM_MODULES:%=$(STAMPS)/%)

.SECONDEXPANSION:
$(STAMPS)/%: $$(wildcard Sources/Modules/$$*/*.h) Sources/Modules/%/module.modulemap
	@mkdir -p $(STAMPS)
	@grep -rlE --include='*.swift' '^((public|package|internal|private|@[a-zA-Z_]+) )*import $*$$' Sources Tests | xargs -r touch
	@touch $@
