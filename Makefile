# Needs make, Python 3.11 to 3.13 and its pip; everything else goes into .venv.

PYTHON ?= python3
PYTEST_ARGS ?=
LOCK_ARGS ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The client is a distribution of its own, installed here so that the tests can use it.
CLIENT := $(patsubst %/pyproject.toml,%,$(wildcard client/pyproject.toml))
CLIENT_CODE := $(wildcard client/callback_client client/src/callback_client)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test coverage check format bench bench-servers bench-engines \
	faults faults-quick faults-controls lock clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Set up .venv with the locked dependencies and this checkout

run: install  ## Start the whole service on this machine, database and broker included
	$(BIN)/callback-service up

test: install  ## Run the tests (PYTEST_ARGS="-k word" for some of them)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: install  ## Run the tests and say which branches none of them took
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

check: install  ## Lint, check the format, the types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy callback_service $(CLIENT_CODE)
	$(BIN)/lint-imports --no-logo

format: install  ## Rewrite the code the way `check` wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: install  ## Measure the service on this machine
	$(BIN)/python -m bench

bench-servers: install  ## Measure what asking TES servers costs, and how soon changes are known
	$(BIN)/python -m bench.servers

bench-engines: install  ## Measure what real engines ask TES servers, alone and with the service
	$(BIN)/python -m bench.engines $(ARGS)

faults: install  ## Put every promise to the test, under faults, into docs/reliability.md
	$(BIN)/python -m tests.faults --write docs/reliability.md

faults-quick: install  ## The short form of the same
	$(BIN)/python -m tests.faults --quick

faults-controls: install  ## Show that each of them can fail, by builds that are broken on purpose
	$(BIN)/python -m tests.faults --quick --controls

# Names, versions and hashes only: which registry they come from is each machine's own affair.
lock: install  ## Resolve the dependencies anew (LOCK_ARGS=--upgrade to take newer ones)
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip --disable-pip-version-check install --quiet uv
	$(VENV)/uv/bin/uv pip compile pyproject.toml --extra embedded --group dev \
		--universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--output-file requirements.lock --quiet $(LOCK_ARGS)
	! grep -n '://' requirements.lock

clean:  ## Remove .venv and everything that the tools leave behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf .coverage .coverage.* htmlcov dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian packs ensurepip separately; where it is missing, the machine's own pip fills the venv.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo 'Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install pip; }

$(VENV)/.dependencies: requirements.lock | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	@touch $@

# The build backend is in the lock, so nothing is fetched that the lock does not name.
$(VENV)/.installed: $(VENV)/.dependencies pyproject.toml hatch_build.py $(CLIENT:%=%/pyproject.toml)
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(if $(CLIENT),$(PIP) install --quiet --no-deps -e $(CLIENT))
	@touch $@
