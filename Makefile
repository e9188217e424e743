# LLM Ops: everything a developer or an operator runs. `make` alone lists the targets.

PYTHON ?= python3
UV     ?= uv
ARGS   ?=
SECONDS ?= 300

BIN    := .venv/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
LOCK   := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-header $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup setup-dev run serve check test test-postgresql security fuzz judges audit bench docs lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Options go in ARGS, for example: make test ARGS='-k saml'"

# --- Environments ---------------------------------------------------------------------------------

setup: .venv/.run .venv/.package ## Make .venv with what the product needs (Python 3.11 or newer)

setup-dev: .venv/.dev .venv/.package ## Make .venv with the tools for check and test as well
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && ! { command -v chromium && command -v xmlsec1; } >/dev/null; then \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq install --no-install-recommends chromium xmlsec1; } >/dev/null </dev/null || true; fi
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || echo "No Chromium on this machine: the browser tests will be skipped (Debian: apt-get install chromium)."
	@command -v xmlsec1 >/dev/null \
	  || echo "No xmlsec1 on this machine: the encrypted assertions of pysaml2 are not tested (Debian: apt-get install xmlsec1)."

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "LLM Ops needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "$(PYTHON) cannot make virtual environments (Debian: apt-get install python3-venv)."; exit 1; }

# --no-deps: the files hold every package by its hash, so there is nothing to choose, whatever was released since
.venv/.run: requirements/run.txt | .venv/bin/python
	$(PIP) install --require-hashes --no-deps --requirement requirements/run.txt
	@touch $@

# dev.txt holds all of run.txt, so the second file need not be read again
.venv/.dev: requirements/dev.txt | .venv/bin/python
	$(PIP) install --require-hashes --no-deps --requirement requirements/dev.txt
	@touch $@ .venv/.run

# the build tools are in both files: nothing is fetched here
.venv/.package: pyproject.toml | .venv/bin/python
	@[ -e .venv/.run ] || $(MAKE) --no-print-directory .venv/.run
	$(PIP) install --no-deps --no-index --no-build-isolation --editable .
	@touch $@

# --- The product ----------------------------------------------------------------------------------

run: setup ## Run the demo: the product, an identity provider and a mailbox, with example customers
	@$(BIN)/llmops demo $(ARGS)

serve: setup ## Run the product with the settings in the environment
	@$(BIN)/llmops serve $(ARGS)

# --- Quality --------------------------------------------------------------------------------------

check: setup-dev ## Check format, lint, types, import order, and that the printed documents are fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m llmops docs --check

# ARGS may choose tests of which none touches the database: pytest then ends with 5, which is fine
test: setup-dev ## Run all tests on SQLite, then those that touch the database on PostgreSQL
	$(PYTEST) -n 2 --dist loadfile $(ARGS)
	$(PYTEST) --postgresql -m "database and not one_database" -n 2 --dist loadfile $(ARGS) $(if $(strip $(ARGS)),|| [ $$? -eq 5 ])

test-postgresql: setup-dev ## Run the tests that touch the database on PostgreSQL
	$(PYTEST) --postgresql -m "database and not one_database" -n 2 --dist loadfile $(ARGS)

security: setup-dev ## Print each security requirement with the tests that prove it; fail on a gap
	$(PYTEST) -n 2 --dist loadfile -m requirement --requirements=build/requirements.json $(ARGS)
	$(BIN)/python tests/support/requirements.py build/requirements.json

fuzz: setup-dev ## Search every way in for inputs that break it (SECONDS=300 each, finds are kept in build/fuzz)
	@for name in $$($(BIN)/python -c 'import sys; sys.path.insert(0, "tests"); from fuzz.targets import TARGETS; print(*TARGETS)'); do \
	  echo "$$name"; $(BIN)/python tests/fuzz/search.py $$name $(SECONDS) build/fuzz || exit 1; done

judges: setup-dev build/judges/.installed ## Let other libraries judge our vectors; write docs/security/other-libraries.md
	$(BIN)/python tests/judges/collect.py build/judges/vectors.json
	build/judges/bin/python tests/judges/judge.py build/judges/vectors.json build/judges/verdicts.json
	$(BIN)/python tests/judges/page.py build/judges/vectors.json build/judges/verdicts.json

build/judges/.installed: requirements/judges.txt
	$(PYTHON) -m venv build/judges
	build/judges/bin/pip --disable-pip-version-check --quiet install --require-hashes --no-deps --requirement $<
	@touch $@

audit: build/audit/bin/pip-audit ## Write build/sbom.json from the lock, and ask for known advisories (needs the internet)
	build/audit/bin/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom.json requirements/run.txt
	@build/audit/bin/pip-audit --disable-pip --require-hashes --progress-spinner off -r requirements/run.txt \
	  || echo "An advisory stands above, or the advisory data could not be reached: the lines above say which."

build/audit/bin/pip-audit: requirements/audit.txt
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip --disable-pip-version-check --quiet install --require-hashes --no-deps --requirement $<
	@touch $@

bench: setup-dev ## Measure the product on this machine (ARGS=load: under load, ARGS=scale: in large installations)
	@$(BIN)/python -m bench $(ARGS)

docs: setup-dev ## Print the documents that are made from the code
	$(BIN)/python -m llmops docs

# --- Housekeeping ---------------------------------------------------------------------------------

lock: ## Choose the pinned packages again (needs uv; ARGS=--upgrade takes the newest)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv, or make lock UV=path/of/uv"; exit 1; }
	$(LOCK) pyproject.toml --extra build --extra demo --output-file requirements/run.txt
	$(LOCK) pyproject.toml --extra build --extra demo --extra dev --output-file requirements/dev.txt
	$(LOCK) requirements/idps-pysaml2.in --output-file requirements/idps-pysaml2.txt
	$(LOCK) requirements/idps-canaille.in --output-file requirements/idps-canaille.txt
	$(LOCK) requirements/audit.in --output-file requirements/audit.txt
	$(LOCK) requirements/judges.in --output-file requirements/judges.txt

clean: ## Remove .venv and everything else that was made here, except your data in var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
