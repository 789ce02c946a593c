# Everything a fresh machine needs: Python 3.11 or newer, git, make. `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install install-local demo test test-all test-local test-lowest test-newest check-package docs \
    architecture mutants bench lint format clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY)  ## Make .venv with MOTools and all that its demo and tests need

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # pip would with one core; some packages hold broken files
	@touch $@

demo: $(READY)  ## Train and evaluate a small model, offline and without a key, and trace the result
	@PATH="$(CURDIR)/$(BIN):$$PATH" DVC_NO_ANALYTICS=1 sh examples/demo.sh

# What the tests write is synced all the time: it lies in memory, where there are 4 GB of it for files.
MEMORY := $(if $(TMPDIR),,$(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'END {print $$4}')" -gt 4000000 ] && \
    echo TMPDIR=/dev/shm))

test: $(READY)  ## Run the tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(MEMORY) $(BIN)/python -m pytest -n 4 --dist worksteal

test-all: $(READY)  ## Run the tests with every case, where `make test` tries out a sample of like ones
	PATH="$(CURDIR)/$(BIN):$$PATH" $(MEMORY) $(BIN)/python -m pytest -n 4 --dist worksteal --all

# Compiling all of PyTorch takes as long as the rest of the installation; what is imported is compiled then.
LOCAL := $(VENV)-local
$(LOCAL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LOCAL)
	$(LOCAL)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[local]' hypothesis pytest pytest-xdist
	@touch $@

install-local: $(LOCAL)/.ready  ## Make .venv-local with PyTorch and what else its tests need

test-local: $(LOCAL)/.ready  ## Run the tests that need PyTorch, in an environment of their own
	PATH="$(CURDIR)/$(LOCAL)/bin:$$PATH" $(MEMORY) $(LOCAL)/bin/python -m pytest -n 2 --dist worksteal tests/local

LOWEST := $(VENV)-lowest
$(LOWEST)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LOWEST)
	grep -v '^dvc==' constraints.txt > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e '.[dev]' 'dvc==3.67.0'
	@touch $@

test-lowest: $(LOWEST)/.ready  ## Run the tests with the lowest DVC that is supported
	PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" $(MEMORY) $(LOWEST)/bin/python -m pytest -n 4 --dist worksteal

NEWEST := $(VENV)-newest
$(NEWEST)/.ready: pyproject.toml
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

test-newest: $(NEWEST)/.ready  ## Run the tests with the newest packages there are
	PATH="$(CURDIR)/$(NEWEST)/bin:$$PATH" $(MEMORY) $(NEWEST)/bin/python -m pytest -n 4 --dist worksteal

check-package: $(READY)  ## Build what is shipped, install it into an empty environment, and try it out
	$(BIN)/python tests/check_package.py build/check-package

DOCS := $(VENV)-docs
$(DOCS)/.ready: mkdocs.yml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check 'mkdocs-material>=9.5,<10'
	@touch $@

docs: $(DOCS)/.ready  ## Build the pages of docs/ as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet

architecture: $(READY)  ## Draw the packages and their floors anew in docs/architecture.md
	$(BIN)/python tests/architecture.py

MUTANTS := $(VENV)-mutants
$(MUTANTS)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' 'cosmic-ray>=8.7,<9'
	@touch $@

mutants: $(MUTANTS)/.ready  ## Change the deciding modules a little, and see whether their tests notice (ARGS='plan --sample 40')
	PATH="$(CURDIR)/$(MUTANTS)/bin:$$PATH" DVC_NO_ANALYTICS=1 $(MUTANTS)/bin/python tests/mutants.py $(ARGS)

bench: $(READY)  ## Run the benchmarks, small: minutes, and a glance rather than a verdict
	$(BIN)/python benchmarks/all.py --small

lint: $(READY)  ## Check style, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove .venv and what tools leave behind
	rm -rf $(VENV) $(VENV)-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
