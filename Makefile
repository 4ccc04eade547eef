# make lab        open the notebooks in JupyterLab
# make setup      install all that the rest needs
# make test       run all tests
# make faults     kill test runs and servers on purpose, for ten minutes or more
# make notebooks  execute every notebook, in place
# make lint       check style and types
# make lowest     run those of them that depend on the packages, with the lowest versions admitted
# make launch     build, start and run what Binder does, without Docker (on Linux)
# make lock       pin the newest versions that pyproject.toml admits
# make benchmarks compare the strategies with published ones, for some minutes
# make clean      remove what make has made
#
# PYTHON=python3.12 chooses another interpreter, NOTEBOOKS="00 04" the notebooks that launch runs.
# Nothing else is needed: PostgreSQL comes with the packages.

PYTHON ?= python3
VENV ?= .venv
LOWEST := .venv-lowest
BENCHMARKS := .venv-benchmarks

BIN := $(VENV)/bin
# Named for the interpreter, so that another one gets a new environment.
READY := $(VENV)/ready-with-$(notdir $(PYTHON))
FIRST := notebooks/00_start_here.ipynb
# Jupyter asks root, who is alone in many a container, to say that this is meant.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# Tests compare a server's databases before and after. Each worker has a server of its own, but
# on yours they take turns.
WORKERS := $(if $(POSTGRES_DSN),,-n logical --maxprocesses 4 --dist worksteal)

# The tests start pytest hundreds of times: let it keep what it compiles.
unexport PYTHONDONTWRITEBYTECODE
# And spare them a plugin that only `make faults` has a use for, and it does without: it takes a
# fifth of a second from each.
export PYTEST_ADDOPTS := $(PYTEST_ADDOPTS) -p no:hypothesispytest

.PHONY: lab setup test faults notebooks lint lowest launch benchmarks lock clean

lab: $(READY)
	$(BIN)/jupyter lab $(AS_ROOT) --LabApp.default_url=/lab/tree/$(FIRST)

setup: $(READY)

test: $(READY)
	$(BIN)/python -m pytest $(WORKERS)

faults: $(READY)
	$(BIN)/python -m tests.faults

notebooks: $(READY)
	$(BIN)/python tests/notebooks.py

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python tests/prose.py
	$(BIN)/zizmor --quiet --offline --strict-collection .github

# What depends on the packages: the models, the migrations, every strategy, the first notebooks.
lowest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --output-file $(LOWEST)/requirements.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/requirements.txt --editable .
	$(LOWEST)/bin/python -m pytest $(WORKERS) tests/test_records.py tests/test_models.py tests/test_session_manager.py \
		tests/test_migrations.py tests/test_recorder.py tests/test_isolation.py tests/test_notebooks.py \
		-k "not test_notebooks or 00 or 01 or 02 or 03 or 04 or 05"

launch: $(READY)
	$(BIN)/python -m tests.launch $(NOTEBOOKS)

benchmarks: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(BENCHMARKS)
	$(BIN)/uv pip install --quiet --python $(BENCHMARKS)/bin/python --require-hashes \
		--requirement requirements.txt --requirement benchmarks/requirements.txt
	$(BIN)/uv pip install --quiet --python $(BENCHMARKS)/bin/python --no-deps --no-build-isolation --editable .
	$(BENCHMARKS)/bin/python -m benchmarks.peers

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--upgrade --python-version 3.11

lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.txt pyproject.toml
	$(COMPILE) --output-file benchmarks/requirements.txt benchmarks/requirements.in

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is `$(PYTHON) -V 2>&1`. Name another: make PYTHON=python3.12"; \
		exit 1; }
	@echo "Setting up $(VENV) with the pinned packages: about a minute, once."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(BENCHMARKS) .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
