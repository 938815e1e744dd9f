# Two commands are all: `make demo` shows the tool at work, `make check` proves it. Both install what they need.
SHELL := /bin/bash
PY := .venv/bin/python
READY := .venv/.ready
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo yes)
WORKERS ?= 2
SERVER_WORKERS ?= 4
INSTALL := tests/live/support/install.sh
unexport PYTHONDONTWRITEBYTECODE # or each of the thousands of processes compiles everything anew

.PHONY: setup lint test coverage test-integration check thorough demo gitops build run

setup: $(READY)

$(READY): pyproject.toml
	@python3 -c 'import ensurepip' 2>/dev/null || { echo "installing python3-venv" >&2; apt-get update -qq && apt-get install -y -qq python3-venv; }
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

lint: $(READY)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

# The order of sets decides which examples are drawn: the same ones each time, but in a thorough run.
UNIT := $(if $(THOROUGH),,PYTHONHASHSEED=0) $(PY) -m pytest -m "not incus" -n $(WORKERS)

test: $(READY)
	$(UNIT)

coverage: $(READY) # the same tests; counting lines takes as long again, so check does not
	$(UNIT) --cov --cov-report=term:skip-covered --cov-fail-under=80

test-integration: $(READY)
ifeq ($(ROOT),yes)
	$(INSTALL)
	INCUS_TESTS=1 $(PY) -m pytest tests/live -n $(SERVER_WORKERS) --dist worksteal
else
	@echo "skipped: the integration tests need root, to start private Incus daemons in namespaces of their own"
endif

# Fetching servers is mostly waiting; test-integration waits for its end, and says what went wrong.
check: $(READY)
ifeq ($(ROOT),yes)
	@$(INSTALL) 2>/dev/null & status=0; $(MAKE) --no-print-directory lint test || status=$$?; wait; exit $$status
else
	@$(MAKE) --no-print-directory lint test
endif
	@$(MAKE) --no-print-directory test-integration

thorough: # check, with every moment at which the tool may be killed, every scene and every spoilt request, on both servers, and new examples
	@THOROUGH=1 HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-fresh} $(MAKE) --no-print-directory check

demo: $(READY)
	$(INSTALL)
	PATH="$(CURDIR)/.venv/bin:$$PATH" examples/demo/run.sh

gitops: $(READY)
	$(INSTALL)
	PATH="$(CURDIR)/.venv/bin:$$PATH" examples/gitops/run.sh

build: $(READY)
	rm -rf build dist
	$(PY) -m build --wheel --outdir dist
	$(PY) packaging/single_file.py dist/*.whl dist/incus-backup
	$(PY) packaging/check_single_file.py dist/incus-backup

run: $(READY)
	.venv/bin/incus-backup $(ARGS)
