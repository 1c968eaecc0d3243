# Two main commands: `make run` sets up and runs the default configuration, `make test` sets up and
# passes the tests. Both need git, make and Python >= 3.11 only.

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
CONFIG ?= config/config.yaml
BIN := .venv/bin

.PHONY: run test test-all style setup bench table lock why export check docs

# VERBOSE=1: with all that Snakemake says.
run: setup
	@$(BIN)/python -m malaphoric check --quick "$(CONFIG)"
	@$(if $(VERBOSE),$(BIN)/snakemake --configfile,$(BIN)/python scripts/run.py) "$(CONFIG)" --cores $(CORES)

# Proves the installation and the physics in minutes; test-all has faults, kills, re-runs and SLURM.
test: style
	$(BIN)/python -m pytest -n $(CORES) -m "not slow"

# One process more than cores, because some tests wait for a batch system.
test-all: style
	$(BIN)/python -m pytest -n $$(($(CORES) + 1)) --durations 40

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakemake --lint

bench: setup
	$(BIN)/python tests/benchmarks/bench.py

setup: .venv/.installed

# The lock holds hashes and no address, so pip takes the files from whatever index it is set up for.
# The package is compiled like those that pip installs: where Python may not write beside the source
# every job would do so again.
.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "malaphoric needs Python >= 3.11: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q workflow/src
	touch $@

# A site of all pages, with the package's docstrings; every warning is an error. Notebooks are executed
# unless SPHINXOPTS="-D nb_execution_mode=off" says no.
docs: setup
	$(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d docs/_build/doctrees $(SPHINXOPTS) . docs/_build/html
	@echo "The pages: docs/_build/html/index.html, to be opened in a browser"

# Remake what comes with the package for the installed smelli, flavio and wilson
# (with `engine: exact`, because a run of the compiled engine is refused until then).
table: setup
	$(BIN)/snakemake compile_running compile_theory compile_extra --cores $(CORES) --forceall --config engine=exact

# Remake the lock after a change of the dependencies in pyproject.toml (needs uv).
lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra workflow --extra docs --extra test \
	  --generate-hashes --no-annotate --no-header \
	  pyproject.toml requirements-build.in -o requirements.lock

# Why would which rule run? A sentence for each.
why: setup
	@$(BIN)/python -m malaphoric check --quick "$(CONFIG)"
	@$(BIN)/python scripts/why.py "$(CONFIG)"

# One archive of a run; its reader unpacks it and says `make check`, which repeats and compares it.
export: setup
	$(BIN)/python -m malaphoric check --quick "$(CONFIG)"
	$(BIN)/snakemake export --cores $(CORES) --configfile "$(CONFIG)"

check: setup
	@test -f archive/config.yaml || { echo "make check: only in an unpacked archive of \`make export\`"; exit 1; }
	$(BIN)/snakemake --cores $(CORES) --configfile archive/config.yaml
	$(BIN)/python scripts/check.py
