# Every target is complete in itself: it builds the virtual environment it needs, once, and says what it does.
# Written for any GNU make from 3.81 on (the one macOS ships).

VENV = .venv
LOWEST =
# Left empty, the newest Python that really runs is looked for.
PYTHON =
DEMO_OUT = stradiff-demo
DIST = dist
STUDY_ARGS =
FUZZ_ARGS =
FUZZ_SECONDS = 600
PYTEST_ARGS =
# Test processes side by side; one process already keeps more than one core busy while JAX compiles.
WORKERS = 2

SHELL := /bin/sh
BIN := $(VENV)/bin
PY := "$(BIN)/python"
CANDIDATES := python3.13 python3.12 python3.11 python3
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

# What each stamp installs besides the package itself.
EXTRAS_demo :=
EXTRAS_study := [baselines]
EXTRAS_test := [test]
EXTRAS_dev := [dev]

# Settings of another Python installation would reach into the virtual environment.
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lowest lint format types build study fuzz hooks clean

help: ## show this list
	@echo "StrADiff: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' Makefile
	@echo "Settings (make TARGET NAME=value): VENV PYTHON WORKERS PYTEST_ARGS STUDY_ARGS FUZZ_SECONDS FUZZ_ARGS DEMO_OUT DIST"

demo: $(VENV)/.installed-demo ## separate the shipped real recording and the linear study, and write reports
	"$(BIN)/stradiff" demo real --out "$(DEMO_OUT)/real"
	"$(BIN)/stradiff" demo linear --out "$(DEMO_OUT)/linear"
	@echo; echo "Open these reports in a browser:"; find "$(DEMO_OUT)" -name report.html | sed 's/^/  /'

# Tests of one file stay in one process: they share compiled functions and fitted models.
test: $(VENV)/.installed-test ## run the tests
	$(PY) -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# In a virtual environment of its own, which newer libraries would not leave.
lowest: ## run the tests with every library at its lower bound
	@$(MAKE) --no-print-directory test VENV=.venv-lowest LOWEST=1

lint: $(VENV)/.installed-dev ## check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(VENV)/.installed-dev ## repair style and formatting where that can be done safely
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(VENV)/.installed-dev ## check type annotations
	$(PY) -m mypy

build: $(VENV)/.installed-dev ## build the sdist, and the wheel from it
	$(PY) -m build --outdir "$(DIST)"

study: $(VENV)/.installed-study ## print the tables of the study again (long)
	$(PY) research/study.py $(STUDY_ARGS)

fuzz: $(VENV)/.installed-test ## damage files of every kind and try to read them (FUZZ_SECONDS)
	$(PY) research/fuzz.py --seconds "$(FUZZ_SECONDS)" $(FUZZ_ARGS)

hooks: $(VENV)/.installed-dev ## run lint and types before every commit
	$(PY) -m pre_commit install

clean: ## remove everything the other targets made
	rm -rf build dist stradiff-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@if [ -f "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi

# A stamp appears only after its install succeeded, and is out of date when pyproject.toml is newer.
$(VENV)/.installed-%: pyproject.toml $(VENV)/bin/python
	@echo "Installing stradiff$(EXTRAS_$*) into $(VENV) (a download of a few hundred MB; a minute or two) ..."
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip --upgrade
	@if [ -n "$(LOWEST)" ]; then $(PY) .ci/lowest.py > "$(VENV)/lowest.txt"; fi
	@$(PY) -m pip install --quiet --disable-pip-version-check $(if $(LOWEST),--constraint "$(VENV)/lowest.txt") \
	  --editable ".$(EXTRAS_$*)"
	@touch "$@"

# --clear only where a virtual environment is broken: any other folder named VENV keeps its files.
$(VENV)/bin/python:
	@found="$(PYTHON)"; \
	if [ -z "$$found" ]; then \
	  for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c '$(USABLE)' >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	  done; \
	fi; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.11 or newer that can make virtual environments was found (tried: $(CANDIDATES));" \
	    "install one (on Debian and Ubuntu with python3-venv) or name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; \
	fi; \
	if ! "$$found" -c '$(USABLE)' >/dev/null 2>&1; then \
	  echo "PYTHON=$$found does not run, is older than 3.11, or cannot make virtual environments;" \
	    "name another one." >&2; exit 1; \
	fi; \
	clear=; if [ -f "$(VENV)/pyvenv.cfg" ]; then clear=--clear; fi; \
	echo "Making the virtual environment $(VENV) with $$("$$found" -c 'import sys; print(sys.executable)') ..."; \
	"$$found" -m venv $$clear "$(VENV)"
