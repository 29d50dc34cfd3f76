# Everything that is done to this repository by command. `make` alone lists it.
# Needs GNU make and Python 3.11 or newer; the rest goes into .venv, which is made on first use.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test quick check format api policies bench chaos clean package dev

# Give PYTHON=/path/to/python to choose one; else the first of these that runs and is new enough.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python)
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/stamps

# An activated environment, or one person's settings for pip, must not reach into .venv.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONSTARTUP PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV __PYVENV_LAUNCHER__
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0
INSTALL := $(PY) -m pip install -qq --no-input

help: ## list the commands
	@echo "qwenroute: make COMMAND"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

demo: package ## route real prompts of every modality to a simulated DashScope; ARGS="--json" and the like are passed on
	@$(VENV)/bin/qwenroute demo $(ARGS)

test: check ## every check and every test
	@$(PY) -m pytest -n auto $(ARGS)

quick: dev ## the tests that take seconds
	@$(PY) -m pytest -n auto -m "not slow" $(ARGS)

check: dev ## style, types and import contracts
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet . || { echo "make: some files are not formatted: run \`make format\`" >&2; exit 1; }
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo --no-cache

format: dev ## put every file into the house style
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

api: dev ## rewrite tests/contracts/public_api.txt from the code
	@$(PY) tests/contracts/public_api.py

policies: dev ## rewrite policies/schema.json and policies/README.md from the code
	@$(PY) -m qwenroute.cli policy schema > $(STAMPS)/page && mv $(STAMPS)/page qwenroute/policies/schema.json
	@$(PY) -m qwenroute.cli policy schema --markdown > $(STAMPS)/page && mv $(STAMPS)/page qwenroute/policies/README.md

bench: dev ## the figures, beside aiohttp, the openai SDK and litellm; ARGS=--quick for a first look
	@$(PY) -m benchmarks $(ARGS)

chaos: dev ## 20,000 requests while deployments fail, stall, cut and recover; fails if a caller would notice
	@$(PY) -m benchmarks.chaos $(ARGS)

train: dev ## fit the analysis on training/, the same bytes every time (a minute); then `python -m training.evaluate`
	@$(PY) -m training.train

clean: ## remove .venv and everything else that was made here
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment: made once, and brought up to date when pyproject.toml changes ---

package: $(STAMPS)/package
dev: $(STAMPS)/dev

$(STAMPS)/package: pyproject.toml $(STAMPS)/venv
	@echo "make: installing qwenroute into $(VENV) (under a minute, once)"
	@$(INSTALL) --editable .
	@touch $@

$(STAMPS)/dev: pyproject.toml $(STAMPS)/venv
	@echo "make: installing qwenroute with what its tests and checks need into $(VENV) (a minute or two, once)"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(STAMPS)/package

# The stamp holds the place it was made at: a copied or moved checkout installs itself again.
ifneq ($(shell $(PY) -m pip --version >/dev/null 2>&1 && cat $(STAMPS)/venv 2>/dev/null),$(CURDIR))
.PHONY: $(STAMPS)/venv
endif

$(STAMPS)/venv:
	@$(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && exit; \
	refused=; \
	for candidate in $(CANDIDATES); do \
	  command -v "$$candidate" >/dev/null 2>&1 || continue; \
	  "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { refused="$$refused $$candidate"; continue; }; \
	  "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
	    echo "make: $$candidate has no \`venv\`: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	  echo "make: creating $(VENV) with $$candidate"; \
	  exec "$$candidate" -m venv --clear $(VENV); \
	done; \
	echo "make: no Python 3.11 or newer found$${refused:+ (too old or not working:$$refused)};" \
	  "install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	exit 1
	@mkdir -p $(STAMPS)
	@rm -f $(STAMPS)/package $(STAMPS)/dev
	@pwd -P > $@
