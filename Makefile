# The two commands that set up everything on a fresh machine: `make study`, `make test`.
# Others: `make help`. Another Python or place: make test PYTHON=python3.12 VENV=somewhere/venv

PYTHON ?= python3
VENV ?= .venv
BENCH ?= step_cost kills groups pipeline_error power spread_sample
# What `check` runs: the floors of values, and the repository as a whole. The others load torch, Ray or MLflow.
QUICK ?= tests/test_floors.py tests/test_repository.py tests/spec tests/record tests/findings tests/report tests/tools
bin := $(VENV)/bin
# A stamp says which extras were installed, after the install: a half-done one is done again.
used := $(VENV)/.installed-use
developed := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help study check test lint types tests docs bench faults audit clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

study: $(used)  ## run the embedded study: minutes, no download but the packages, no GPU
	$(bin)/python -m xrt.study run mini

check: lint types $(developed)  ## before every commit: ruff, mypy, the quick tests; two minutes
	$(bin)/python -m pytest -m "not slow and not kills" --durations=5 $(QUICK)

test: lint types tests  ## everything that must hold: ruff, mypy, all tests, and which of them were slowest

lint: $(developed)  ## ruff: rules and layout
	$(bin)/ruff check --output-format concise
	$(bin)/ruff format --check

types: $(developed)  ## mypy, strict
	$(bin)/mypy

tests: $(developed)  ## pytest alone, in two processes
	OMP_NUM_THREADS=1 $(bin)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

docs: $(developed)  ## the docs as a site, in build/site; a broken link is an error
	$(bin)/python -m tools.site build/site

bench: $(developed)  ## what is measured rather than tested: minutes
	@for one in $(BENCH); do echo "$$one" && $(bin)/python -m tests.bench.$$one || exit 1; done

faults: $(developed)  ## kill, fill, cut off: the small study must end with the same table; 20 minutes
	$(bin)/python -m tests.faults.table

audit: $(developed)  ## known vulnerabilities of the pinned packages
	$(bin)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

clean:  ## remove the environment and the caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(bin)/python:
	$(PYTHON) -m venv $(VENV)

$(used): pyproject.toml constraints.txt | $(bin)/python
	@echo "Installing into $(VENV): about 2 GB, a few minutes."
	$(bin)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(developed): pyproject.toml constraints.txt | $(bin)/python
	@echo "Installing into $(VENV): about 2 GB, a few minutes."
	$(bin)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(used) $@
