# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
DATA   ?=
BIN    := $(abspath $(VENV))/bin
# Compiled at the end on all cores: pip would do it on one, which takes a third of the installation.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
COMPILE := -$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib
LOCK   := -c backend/constraints.txt
SOURCES := backend UnifiedFocalSeg Testing demo

# Qt widgets are tested without a screen.
export QT_QPA_PLATFORM ?= offscreen

.PHONY: demo test lint style types format lock clean

demo: $(VENV)/.demo
	$(BIN)/python demo/run_demo.py $(if $(DATA),--data "$(DATA)")

# Two processes share the cores: with a thread each they do the same in two thirds of the time, and one that has nothing
# to do must not spin on the other's core.
test: export OMP_NUM_THREADS = 1
test: export OMP_WAIT_POLICY = PASSIVE
# Types are checked beside the tests, which wait for something an eighth of the time.
test: $(VENV)/.test style
	$(MAKE) types & types=$$!; cd backend && $(BIN)/python -m pytest -n 2 --dist worksteal && wait $$types
	$(BIN)/python -m pytest Testing -n 2 --dist loadfile

lint: style types

style: $(VENV)/.test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(VENV)/.test
	cd backend && nice $(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# torch first and by version: a CPU machine must not pull gigabytes of CUDA through another package's "torch".
$(VENV)/.torch:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 14) else f"Python 3.10 to 3.13 is needed, this is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch ..."
	$(PIP) torch==2.13.0 || $(PIP) torch
	@touch $@

$(VENV)/.demo: $(VENV)/.torch backend/pyproject.toml backend/constraints.txt
	@echo "Installing ufseg and slicer-core ..."
	$(PIP) $(LOCK) -e "backend[slicer]"
	$(COMPILE)
	@touch $@

$(VENV)/.test: $(VENV)/.torch backend/pyproject.toml backend/constraints.txt
	@echo "Installing what the tests need ..."
	$(PIP) $(LOCK) -e "backend[slicer,test]"
	$(COMPILE)
	@touch $(VENV)/.demo $@

# Needs uv. torch and what it brings are left out: their build depends on the machine (see above).
lock:
	uv pip compile --quiet --universal --python-version 3.10 --extra slicer --extra test \
	  --no-emit-package torch --no-emit-package triton --no-annotate --no-header backend/pyproject.toml \
	  | grep -vE '^(nvidia|cuda)-' > backend/constraints.txt
	echo "torch==2.13.0" > backend/requirements.lock
	uv pip compile --quiet --universal --python-version 3.10 --extra fast --generate-hashes \
	  -c backend/constraints.txt -c backend/requirements.lock --no-annotate --no-header backend/pyproject.toml \
	  | awk '/^[^ ]/ {kept = !/^(nvidia-|cuda-|torch==|triton==)/} kept' >> backend/requirements.lock

clean:
	rm -rf demo/output demo/report.json demo/demo.png backend/build backend/src/*.egg-info
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .pytest_cache backend/.pytest_cache .mypy_cache backend/.mypy_cache .ruff_cache .hypothesis backend/.hypothesis
