# make rehearse   the main job on the embedded lab, from a fresh clone
# make test       everything CI checks, with the real peers where they can be had
# make test-all   the same, and every remote call going wrong in every way (hours; MATRIX=3/8: a shard)
# make reliability      counts what a run survives, writes it into docs/reliability.md (-all: hours)
# make mutants    seeds known mistakes into a copy and reports whether the tests see them
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# slapd and sshd live in sbin, which is not on everybody's path.
export PATH := $(PATH):/usr/sbin:/sbin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore
# Empty: compiled modules are kept, whatever the caller's shell says. Images of CI often switch that
# off, and then each worker and each command of the tests compiles everything again.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
MATRIX ?= all
REHEARSE_ARGS ?=

.PHONY: help rehearse test test-all mutants reliability reliability-all install dev peers lint types arch audit test-only clean

help:
	@grep -E '^# make' Makefile | cut -c3-
	@echo 'make lint | types | arch | audit | test-only | peers | clean'

rehearse: install
	$(BIN)/stsfix rehearse $(REHEARSE_ARGS)

# Every check runs although one failed, and the report comes last.
test: dev peers
	@status=0; \
	$(MAKE) --no-print-directory -k lint types arch audit test-only || status=$$?; \
	tests/peers/report.sh; \
	exit $$status

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/.created:
	python=$$(.ci/find-python); "$$python" -m venv $(VENV)
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.installed

peers:
	@tests/peers/install.sh

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Through .dev, so that each module has one name: as lab/esx/host.py it would be lab.esx.host to
# itself and stsfix.lab.esx.host to the others, two types that do not fit.
types: dev
	$(BIN)/mypy .dev/stsfix tests

arch: dev
	$(BIN)/lint-imports

audit: dev
	$(BIN)/python tests/support/audit.py

# More workers than CI has cores: many tests wait for timeouts. Who runs what: docs/adr/0045.
test-only: WORKERS = -n 4 --dist loadgroup
test-only: dev
	$(BIN)/pytest $(WORKERS) $(PYTEST_ARGS)

# Of thousands of cases a few at a time: every worker makes every lab once, and all end together.
LONG := -n 4 --dist load --maxschedchunk 8

# Prints how many faults of which kind were injected, and how the command they hit ended.
test-all: test
	STSFIX_MATRIX=$(MATRIX) $(BIN)/pytest $(LONG) tests/crash $(PYTEST_ARGS)
	STSFIX_MATRIX=$(MATRIX) $(BIN)/pytest -n 2 tests/e2e/test_rehearse.py tests/e2e/test_floods.py \
		tests/lab/test_diagnose_scenarios.py $(PYTEST_ARGS)

# The counts of docs/reliability.md. Kinds that were not played (PYTEST_ARGS="tests/crash/test_time.py")
# keep what they had; choose whole kinds. reliability-all goes on where it was: what is in .reliability
# and is not played again counts as it did (MATRIX=3/8: a shard); remove that folder to begin anew.
reliability: dev
	rm -f .reliability/test.json
	STSFIX_RELIABILITY=test $(BIN)/pytest -n 2 --dist loadgroup -m reliability $(PYTEST_ARGS)

reliability-all: dev
	STSFIX_RELIABILITY=test-all STSFIX_MATRIX=$(MATRIX) STSFIX_STATEFUL=100 \
	$(BIN)/pytest $(LONG) -m reliability $(PYTEST_ARGS)

mutants: dev
	$(BIN)/python tests/mutants/run.py

clean:
	rm -rf $(VENV) .peers .reliability build dist *.egg-info .coverage .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
