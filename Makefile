# One entry for everything; `make help` lists it. The environment is made once, from the lock.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
SEED ?= $(shell date +%s)
FRAMES ?= 10000000
SCENARIOS ?= 10000
GUIDED ?= 300000
comma := ,

# The tests start hundreds of processes, of which none is to compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check types lint tests conformance bench soak interop screenshots lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: $(READY) ## the demo site, with the console where there is a screen
	@$(BIN)/python -m sitecontroller run

test: check tests ## everything that must be green: check, then all tests

# Those marked `alone` follow serially. pytest's 5 is "no tests": a fault in bulk, fine for `alone`.
tests: $(READY)
	@.ci/system-libs tests
	@status=0; \
	CONFORMANCE=check $(PYTEST) -n 2 --dist worksteal -m "not alone and not soak" --durations=20 || status=$$?; \
	$(PYTEST) -m "alone and not soak" --durations=20 $$(grep -rl --include='test_*.py' 'mark\.alone' tests) || \
	  { code=$$?; [ $$code = 5 ] || status=$$code; }; \
	exit $$status

conformance: $(READY) ## docs/ocpp-conformance.md anew, from what the tests prove
	@CONFORMANCE=write $(PYTEST) -q -n 2 --dist worksteal -m "not alone and not soak"

check: $(READY) ## format, lint, types, import contracts, tidiness
	@$(MAKE) --no-print-directory --output-sync=target -j 2 types lint

types: $(READY)
	@$(BIN)/mypy

lint: $(READY)
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run $(BIN)/ruff format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(PYTEST) -q --no-header tests/test_tidy.py

bench: $(READY) ## measure; the figures go into docs/performance.md
	@$(BIN)/python -m tests.bench $(subst $(comma), ,$(ONLY))

soak: $(READY) ## 10 million broken frames, 10,000 plants, long tests, property tests (SEED=… FRAMES=… GUIDED=… SCENARIOS=…)
	@$(BIN)/python -m tests.fuzz --seed $(SEED) --frames $(FRAMES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  --require-hashes -r requirements-soak.lock
	@$(BIN)/python -m tests.fuzz.guided --seed $(SEED) --runs $(GUIDED)
	@$(BIN)/python -m tests.plant --seed $(SEED) --scenarios $(SCENARIOS) --processes 2
	@echo "hypothesis seed $(SEED)"
	@$(PYTEST) -n 2 --dist worksteal -m "soak or hypothesis" --timeout=0 \
	  --hypothesis-profile=soak --hypothesis-seed=$(SEED) --durations=20

interop: $(READY) ## other people's stations (INTEROP_DIR=…, docs/interoperability.md); table in build/interop
	@$(PYTEST) -m soak tests/interop -s -rs

screenshots: $(READY) ## every screen of the console as PNG, below build/
	@$(BIN)/python -m tests.ui.screenshots

lock: $(READY) ## both locks from pyproject.toml (UPGRADE=--upgrade for newer versions)
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
	  --generate-hashes --no-emit-index-url --no-header $(UPGRADE) --quiet --output-file requirements.lock
	@$(BIN)/uv pip compile --group pyproject.toml:soak --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header $(UPGRADE) --quiet \
	  --output-file requirements-soak.lock

clean: ## remove what was built and cached; sites' state and .venv stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find sitecontroller cloudsync ui tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -f $(READY)

$(READY): requirements.lock pyproject.toml
	@python=$$(.ci/python "$(PYTHON)") || exit 1; \
	echo "Preparing .venv from requirements.lock; the first time this takes a minute or two."; \
	$(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear .venv || \
	  { echo "Can't make .venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@.ci/system-libs
	@touch $@
