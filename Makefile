# The only list of checks. `.ci/run` and the workflows call it; `make help` prints it.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

FUZZ_SECONDS ?= 60
PYTEST_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PYTHON_BIN := $(BIN)/python
# Cargo builds the binding for this interpreter, whichever `python3` comes first on the path.
export PYO3_PYTHON := $(CURDIR)/$(PYTHON_BIN)

MATURIN := env -u CONDA_PREFIX VIRTUAL_ENV="$(CURDIR)/.venv" $(PYTHON_BIN) -m maturin
PIP := $(PYTHON_BIN) -m pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
# The binding holds no algorithm and no test, and a program cannot link it without a Python library.
CARGO_TEST := cargo test --locked --workspace --exclude regionfast-py

RUST_SOURCES := $(shell find rust/regionfast-core rust/regionfast-py -name '*.rs' -o -name Cargo.toml)

.PHONY: demo test test-long lint bench bench-peers fuzz wheel help

demo: .venv/.built ## tell the story of 2020 on a small table, act on it, undo it; the bundled table at work
	$(PYTHON_BIN) examples/demo.py

test: .venv/.built .venv/.dev ## run all Rust and Python tests but the long ones
	$(CARGO_TEST)
	$(PYTHON_BIN) -m pytest -m "not long" --numprocesses auto --dist worksteal $(PYTEST_ARGS)

test-long: .venv/.built .venv/.dev ## run the long tests: full databases, then each fuzz target for FUZZ_SECONDS
	$(CARGO_TEST) --release --lib --tests -- --ignored
	$(PYTHON_BIN) -m pytest -m long $(PYTEST_ARGS)
	scripts/fuzz.sh --may-skip $(FUZZ_SECONDS)

lint: .venv/.built .venv/.dev ## check format, lints, types, and the stub against the built module
	@scripts/check_toolchain.sh clippy fmt
	cargo fmt --all --check
	cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(PYTHON_BIN) -m ruff check
	$(PYTHON_BIN) -m ruff format --check
	$(PYTHON_BIN) -m mypy
	$(PYTHON_BIN) -m mypy.stubtest --mypy-config-file pyproject.toml regionfast._lib

bench: .venv/.built .venv/.dev ## measure; peers that are installed run beside ours
	$(PYTHON_BIN) -m pytest benches/python --benchmark-only --timeout=0 $(PYTEST_ARGS)

bench-peers: .venv/.peers ## install the peers from the registry and measure beside them
	$(MAKE) bench

fuzz: ## run each fuzz target for FUZZ_SECONDS (60)
	@scripts/check_toolchain.sh
	scripts/fuzz.sh $(FUZZ_SECONDS)

wheel: .venv/.maturin ## build the abi3 wheel into dist/
	@scripts/check_toolchain.sh
	$(MATURIN) build --release --out dist

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Set-up. Each stamp is newer than what it was made from, so nothing is done twice and nothing needs the
# network after the first time.

.venv/.made:
	@scripts/check_toolchain.sh
	@scripts/make_venv.sh
	@touch $@

.venv/.maturin: .venv/.made requirements/dev.txt
	$(PIP) install --constraint requirements/dev.txt maturin
	@touch $@

.venv/.dev: .venv/.maturin requirements/dev.txt
	$(PIP) install --requirement requirements/dev.txt
	@touch $@

.venv/.peers: .venv/.dev requirements/peers.txt
	$(PIP) install --requirement requirements/peers.txt
	@touch $@

# Installs what the package itself needs, so that the demo does not wait for the tools of the tests.
.venv/.built: .venv/.maturin pyproject.toml Cargo.toml Cargo.lock $(RUST_SOURCES)
	@scripts/check_toolchain.sh
	PIP_CONSTRAINT=requirements/dev.txt $(MATURIN) develop --release --extras act
	@touch $@
