# make lab        open the notebooks in JupyterLab
# make setup      install all that the rest needs
# make test       run the tests, but for those that repeat another one or take long
# make thorough   run all tests, for ten minutes or more
# make quick      run the quickest: no notebook is executed, no server crashes
# make faults     kill test runs and servers on purpose, for ten minutes or more
# make notebooks  execute every notebook, in place
# make lint       check style and types
# make lowest     run those of them that depend on the packages, with the lowest versions admitted
# make launch     build, start and run what Binder does, without Docker (on Linux)
# make lock       pin the newest versions that pyproject.toml admits
# make benchmarks compare the strategies with published ones, for some minutes
# make workshop   serve the series to a room of participants from this machine (Linux, as root)
# make rehearse   rehearse it with three participants, and kill one thing after the other
# make book       build the series as a site, into book/_build/html
# make clean      remove what make has made
#
# PYTHON=python3.12 chooses another interpreter, NOTEBOOKS="00 04" has launch run these notebooks
# alone, without failures of PostgreSQL: said after `make`. An environment variable of such a name is
# another project's.
# PostgreSQL comes with the packages; no database needs to be installed.

ifneq ($(origin PYTHON),command line)
override PYTHON := python3
endif
ifneq ($(origin NOTEBOOKS),command line)
override NOTEBOOKS :=
endif
# They are cleared and removed: nobody else says which folders these are.
override VENV := .venv
override LOWEST := .venv-lowest
override BENCHMARKS := .venv-benchmarks
override WORKSHOP := .venv-workshop
override BOOK := .venv-book
override PAGES := book/_build
# The file in a folder that make has made. A folder without it is yours, and stays as it is.
override MARK := made-by-make

override BIN := $(VENV)/bin
# Named for the interpreter, so that another one gets a new environment.
override READY := $(VENV)/ready-with-$(notdir $(PYTHON))
WORKSHOP_READY := $(WORKSHOP)/ready-with-$(notdir $(PYTHON))
BOOK_READY := $(BOOK)/ready-with-$(notdir $(PYTHON))
FIRST := notebooks/00_start_here.ipynb
# Jupyter asks root, who is alone in many a container, to say that this is meant.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# Your own configuration may have JupyterLab open another folder.
HERE := "--ServerApp.root_dir=$(CURDIR)" "--ServerApp.preferred_dir=$(CURDIR)"
# The stored outputs answer what the notebooks ask.
UNSPOILED := --ServerApp.contents_manager_class=project.lab.WithoutOutputs
# Tests compare a server's databases before and after. Each worker has a server of its own, but
# on yours they take turns. More workers than cores: many tests wait, for a lock or a time limit.
WORKERS := $(if $(POSTGRES_DSN),,-n 4 --dist worksteal)

# What your shell has set for other projects steers nothing here. A % stands for any letters.
#   PYTHON%                           another library, warnings as errors, no assertions; and don't
#                                     spare bytecode: the tests start pytest hundreds of times
#   PYTEST%                           other options and plugins, or no plugins at all
#   PIP_% UV_%                        where packages go, and which; not where they come from
#   VIRTUAL_ENV CONDA_PREFIX          another environment: uv would install into it
#   JUPYTER_PATH, and the next        another project's kernels
#   JUPYTERLAB_DIR IPYTHONDIR         another JupyterLab, another start-up of each kernel
#   MPLBACKEND MATPLOTLIBRC           pictures that don't come into the notebook
#   ALEMBIC_CONFIG                    another alembic.ini
#   COLUMNS, and the next three       what pytest prints gets another width, and colours
#   GIT_%                             in a hook, git names its own repository to all that it starts
OF_OTHERS := PYTHON% PYTEST% PIP_% UV_% VIRTUAL_ENV CONDA_PREFIX JUPYTER_PATH \
	JUPYTER_PREFER_ENV_PATH JUPYTERLAB_DIR IPYTHONDIR MPLBACKEND MATPLOTLIBRC ALEMBIC_CONFIG \
	COLUMNS PY_COLORS FORCE_COLOR NO_COLOR GIT_%
SOURCES := PIP_CONFIG_FILE PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX \
	PIP_CERT PIP_CLIENT_CERT PIP_PROXY PIP_TRUSTED_HOST PIP_KEYRING_PROVIDER PIP_CACHE_DIR \
	PIP_NO_CACHE_DIR PIP_TIMEOUT PIP_DEFAULT_TIMEOUT PIP_RETRIES PIP_DISABLE_PIP_VERSION_CHECK \
	UV_CONFIG_FILE UV_DEFAULT_INDEX UV_INDEX% UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_NO_INDEX \
	UV_NATIVE_TLS UV_SYSTEM_CERTS UV_INSECURE_HOST UV_KEYRING_PROVIDER UV_CACHE_DIR UV_NO_CACHE \
	UV_LINK_MODE UV_OFFLINE UV_HTTP% UV_CONCURRENT% GIT_SSL%
unexport $(filter-out $(SOURCES),$(filter $(OF_OTHERS),$(.VARIABLES)))
# Spare the tests a plugin that only `make faults` has a use for, and it does without: it takes a
# fifth of a second from each pytest that they start.
override PYTEST_ADDOPTS := -p no:hypothesispytest
export PYTEST_ADDOPTS

# Where pip installs to, whatever its own configuration says.
INTO_IT := --no-user --target= --root=/ "--prefix=$(CURDIR)/$(VENV)"

# $(call new,FOLDER): FOLDER is there, is make's, and holds nothing but the mark.
define new
	@if [ -e $1 ] || [ -L $1 ]; then \
		if [ -L $1 ] || [ ! -e $1/$(MARK) ]; then \
			echo "$1 is not of make's making, so make leaves it alone. Move it away or remove it, and run make again."; \
			exit 1; \
		fi; \
		find $1 -mindepth 1 -maxdepth 1 ! -name $(MARK) -exec rm -rf {} +; \
	else mkdir $1 && touch $1/$(MARK); fi
endef

.PHONY: lab setup test thorough quick faults notebooks lint lowest launch benchmarks book workshop rehearse lock clean

lab: $(READY)
	$(BIN)/jupyter lab $(AS_ROOT) $(HERE) $(UNSPOILED) --LabApp.default_url=/lab/tree/$(FIRST)

setup: $(READY)

test: $(READY)
	$(BIN)/python -m pytest $(WORKERS)

thorough: $(READY)
	$(BIN)/python -m pytest --thorough $(WORKERS)

quick: $(READY)
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

faults: $(READY)
	$(BIN)/python -m tests.faults

notebooks: $(READY)
	$(BIN)/python -m tests.notebooks

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m tests.prose
	$(BIN)/zizmor --quiet --offline --strict-collection .github examples/take_home

# What depends on the packages: the models, the migrations, every strategy, the first notebooks.
lowest: $(READY)
	$(call new,$(LOWEST))
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct \
		--extra notebooks --output-file $(LOWEST)/requirements.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/requirements.txt --editable .
	$(LOWEST)/bin/python -m pytest --thorough $(WORKERS) tests/test_records.py tests/test_models.py tests/test_session_manager.py \
		tests/test_migrations.py tests/test_recorder.py tests/test_isolation.py tests/test_notebooks.py \
		-k "not test_notebooks or 00 or 01 or 02 or 03 or 04 or 05"

launch: $(READY)
	$(BIN)/python -m tests.launch $(NOTEBOOKS)

benchmarks: $(READY)
	$(call new,$(BENCHMARKS))
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(BENCHMARKS)
	$(BIN)/uv pip install --quiet --python $(BENCHMARKS)/bin/python --require-hashes \
		--requirement requirements.txt --requirement benchmarks/requirements.txt
	$(BIN)/uv pip install --quiet --python $(BENCHMARKS)/bin/python --no-deps --no-build-isolation --editable .
	$(BENCHMARKS)/bin/python -m benchmarks.peers

# What its environment needs takes a minute to install: what is missing is said before.
workshop rehearse:
	@[ `id -u` = 0 ] || { echo "The workshop makes a user for each participant, so root has to run it: sudo make $@"; exit 1; }
	@command -v npm > /dev/null || { echo "JupyterHub's proxy needs Node.js and npm: apt-get install nodejs npm"; exit 1; }
	@umask 022 && $(MAKE) --no-print-directory $(WORKSHOP_READY)
	@$(WORKSHOP)/bin/python -m workshop$(if $(filter rehearse,$@),.rehearse 3 --kill)

# Participants' own processes run in it.
$(WORKSHOP_READY): $(READY) workshop/requirements.txt workshop/package-lock.json
	$(call new,$(WORKSHOP))
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(WORKSHOP)
	$(BIN)/uv pip install --quiet --python $(WORKSHOP)/bin/python --require-hashes \
		--requirement requirements.txt --requirement workshop/requirements.txt
	$(BIN)/uv pip install --quiet --python $(WORKSHOP)/bin/python --no-deps --no-build-isolation --editable .
	cp workshop/package.json workshop/package-lock.json $(WORKSHOP)
	npm ci --prefix $(WORKSHOP) --ignore-scripts --no-fund --no-audit --silent
	@touch $@

book: $(BOOK_READY)
	$(call new,$(PAGES))
	$(BOOK)/bin/python -m book $(PAGES)

$(BOOK_READY): $(READY) book/requirements.txt
	$(call new,$(BOOK))
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(BOOK)
	$(BIN)/uv pip install --quiet --python $(BOOK)/bin/python --require-hashes --requirement book/requirements.txt
	@touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--upgrade --python-version 3.11

lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.txt pyproject.toml
	$(COMPILE) --output-file benchmarks/requirements.txt benchmarks/requirements.in
	$(COMPILE) --output-file workshop/requirements.txt workshop/requirements.in
	cd workshop && npm update --package-lock-only --ignore-scripts
	$(COMPILE) --output-file book/requirements.txt book/requirements.in

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is `$(PYTHON) -V 2>&1`. Name another: make PYTHON=python3.12"; \
		exit 1; }
	$(call new,$(VENV))
	@echo "Setting up $(VENV) with the pinned packages: about a minute, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-compile $(INTO_IT) --require-hashes --requirement requirements.txt
	@$(BIN)/uv pip install --quiet --no-config --offline --python $(BIN)/python --no-deps \
		--no-build-isolation --editable .
	@# On all cores, where pip takes one. What can't be compiled isn't imported either.
	@$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

# Folders of tools go by the mark that tools put in, and bytecode by where the project's code is.
# What holds an environment or a repository of its own isn't the project's.
clean:
	@for folder in $(VENV) $(LOWEST) $(BENCHMARKS) $(WORKSHOP) $(BOOK) $(PAGES); do \
		if [ ! -L $$folder ] && [ -e $$folder/$(MARK) ]; then \
			echo "rm -r $$folder"; \
			find $$folder -mindepth 1 -maxdepth 1 ! -name $(MARK) -exec rm -rf {} + && rm -rf $$folder; \
		elif [ -e $$folder ] || [ -L $$folder ]; then \
			echo "$$folder stays: make hasn't made it."; \
		fi; \
	done
	@for folder in .pytest_cache .mypy_cache .ruff_cache; do \
		if [ ! -L $$folder ] && [ -e $$folder/CACHEDIR.TAG ]; then rm -rf $$folder; fi; \
	done
	@find project tests notebooks migrations examples benchmarks book workshop -type d \
		\( -exec test -e {}/pyvenv.cfg \; -o -exec test -e {}/.git \; \) -prune \
		-o -type d -name __pycache__ -prune -exec rm -rf {} +
