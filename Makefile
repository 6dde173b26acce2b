# Chatelaine on a bare Debian 12: every target does its own set-up.
#   make demo          the product in a minute, on this machine alone
#   make test          make check, then every test (under 15 minutes)
#   make check         style, types, floors, house (under 30 seconds)
#   make run           chatelaine up; COMPILED=1: on the compiled tree
#   make compiled      build/compiled: the same package, its hot modules as native code (a minute, after a change)
#   make bench NAME=x  one benchmark of bench/, on the compiled tree; COMPILED=0: on the sources as they are;
#                      without NAME, their names; NAME=gate LITELLM=1: with LiteLLM
#   make soak          minutes of load; make fuzz: minutes of generated input (MINUTES=n)
#   make lock          requirements/*.txt, the npm lock and the shelves' locks anew (LOCK=--upgrade for newer versions)
#   make lock-shelves  the shelves' locks alone
#   make clean         removes what the other targets left here; never chatelaine-data/

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

BIN := .venv/bin
NPM := tests/wire/npm
SET_UP := requirements/set_up.sh
PYTEST := $(BIN)/python -m pytest
ON_COMPILED := COMPILED=1 PYTHONPATH=$(CURDIR)/build/compiled
# Whoever starts make may have set it for another target.
ON_SOURCES := COMPILED=0 PYTHONPATH=

.PHONY: help demo run compiled test test-compiled check lint types floors house bench soak fuzz lock lock-shelves clean debian

help:
	@sed -n '2,/^$$/s/^# *//p' Makefile

# ── set-up: a stamp for each set, older than its lock only when the lock changed ──

.venv/set-up-%: requirements/%.txt $(SET_UP)
	@$(SET_UP) python $*
	@touch $@

# A larger set holds the smaller ones in the same versions.
.venv/set-up-test: requirements/run.txt
.venv/set-up-bench: requirements/test.txt

$(NPM)/node_modules/set-up: $(NPM)/package-lock.json
	@$(SET_UP) npm
	@mkdir -p $(@D) && touch $@

debian:
	@$(SET_UP) debian

# ── the product ──

demo: .venv/set-up-run
	@$(BIN)/chatelaine demo

ifeq ($(COMPILED),1)
run: compiled
	@$(ON_COMPILED) $(BIN)/chatelaine up
else
run: .venv/set-up-run
	@$(BIN)/chatelaine up
endif

compiled: .venv/set-up-test debian
	@$(BIN)/python tools/compiled.py >/dev/null

# ── checks ──

check: .venv/set-up-test
	@$(MAKE) --jobs=2 --keep-going --output-sync=target lint types floors house

lint: .venv/set-up-test
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --check; exit 1; }

# Of the tests those whose types are clean; this list only ever gets longer. A cache of its own: other roots.
TYPED_TESTS := tests/faults tests/test_tree.py

types: .venv/set-up-test
	@$(BIN)/mypy --no-error-summary
	@MYPYPATH=src:.:tests/wire $(BIN)/mypy --no-error-summary --explicit-package-bases \
	    --cache-dir .mypy_cache/tests $(TYPED_TESTS)

floors: .venv/set-up-test
	@log=$$($(BIN)/lint-imports 2>&1) || { echo "$$log"; exit 1; }

house: .venv/set-up-test
	@$(PYTEST) tests/test_house.py tests/test_repository.py

test: check debian
	@$(MAKE) $(NPM)/node_modules/set-up
	@$(ON_SOURCES) $(PYTEST) -n 2 --dist loadfile --ignore tests/test_house.py --ignore tests/test_repository.py
	@if $(BIN)/python tools/compiled.py --able; then $(MAKE) test-compiled; else test "$${CI:-}" != true; fi

# What is compiled once more, as native code, and real clients through all of it.
COMPILED_TESTS := tests/test_tree.py tests/core tests/services tests/surfaces tests/ports tests/adapters \
	tests/wire/test_clients.py

test-compiled: compiled $(NPM)/node_modules/set-up
	@$(ON_COMPILED) $(PYTEST) -n 2 --dist loadfile $(COMPILED_TESTS)

soak: .venv/set-up-test debian
	@$(PYTEST) -m soak $(if $(MINUTES),--minutes $(MINUTES))

fuzz: .venv/set-up-test
	@$(PYTEST) -m fuzz $(if $(MINUTES),--minutes $(MINUTES))

# A rival as heavy as LiteLLM gets an environment of its own, and only when it is asked for.
build/litellm/set-up: requirements/litellm.txt | .venv/set-up-bench
	@echo "set-up: installing requirements/litellm.txt" >&2
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --quiet --quiet --disable-pip-version-check --no-input install \
	    --no-deps --only-binary :all: --require-hashes -r $<
	@touch $@

ifdef NAME
bench: .venv/set-up-bench debian $(if $(LITELLM),build/litellm/set-up) $(if $(filter 0,$(COMPILED)),,compiled)
	@$(if $(filter 0,$(COMPILED)),$(ON_SOURCES),$(ON_COMPILED)) $(BIN)/python bench/$(NAME).py
else
bench:
	@grep --no-filename --only-matching 'make bench NAME=[a-z_]*' bench/*.py | sort -u
endif

# ── upkeep ──

UV := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv --quiet pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

lock: .venv/set-up-test lock-shelves
	@$(UV) pyproject.toml requirements/run.in -o requirements/run.txt $(LOCK)
	@$(UV) pyproject.toml requirements/run.in requirements/test.in -c requirements/run.txt \
	    -o requirements/test.txt $(LOCK)
	@$(UV) pyproject.toml $(filter-out %/litellm.in,$(wildcard requirements/*.in)) -c requirements/test.txt \
	    -o requirements/bench.txt $(LOCK)
	@$(UV) --only-binary :all: requirements/litellm.in -o requirements/litellm.txt $(LOCK)
	@cd $(NPM) && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

lock-shelves: .venv/set-up-test
	@$(BIN)/python tools/lock.py

clean:
	@rm -rf .venv build dist $(NPM)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
