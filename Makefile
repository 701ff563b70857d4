# make demo            set everything up and answer the sample questions with the embedded model
# make test            the set-up with training and tests, then the tests; make test-fast: those under a second
# make lint            format, lint and type checks
# make setup-quantize  the quantizers' environments
# make test-setup      make demo in fresh clones, as on other people's machines: minutes and gigabytes

# cuda or cpu; by default what .venv was made for, else what the machine has.
DEVICE ?=
# The Python to make environments with; by default the first 3.11, 3.12 or 3.13 that is found, else uv fetches one.
PYTHON ?=
# The address of one more index where pip may find torch's CPU build.
TORCH_INDEX ?=

BIN := .venv/bin
BASE := weights/base/smollm2-135m-instruct
# Any Python runs the set-up.
ANY_PYTHON := $(shell command -v python3 || echo $(or $(PYTHON),uv run --quiet --no-project python))
SETUP := @$(ANY_PYTHON) -m tools.setup $(DEVICE:%=--device %) $(PYTHON:%=--python %) $(TORCH_INDEX:%=--torch-index %)

# What Python has compiled is kept even where the environment says otherwise, as containers' often do. The set-up compiles
# nothing: without this every process would compile torch, transformers and vLLM anew, which takes twice its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-fast test-setup lint setup setup-all setup-quantize weights clean

demo: weights
	$(BIN)/python local_evaluation.py --skip-missing-metrics --report report.html

# In so many processes, each of which computes with one thread; tests/conftest.py says what stays together.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test: setup-all weights
	$(PYTEST)

test-fast: setup-all weights
	$(PYTEST) -m "not engine and not slow and not setup"

test-setup: setup-all
	$(BIN)/python -m pytest -m setup -s tests/tools/setup

lint: setup-all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

setup:
	$(SETUP) demo

setup-all:
	$(SETUP) all

setup-quantize:
	$(SETUP) quantize

weights: weights/embedded/provenance.json

$(BASE)/model.safetensors: tools/embedded_model.py | setup
	$(BIN)/python -m tools.embedded_model --output $(BASE)

weights/embedded/provenance.json: $(BASE)/model.safetensors $(wildcard weights/adapters/*/adapter_model.safetensors) training/merge.py \
		$(wildcard training/recipes/*.py training/weights/*.py)
	rm -rf weights/embedded
	$(BIN)/python -m training.merge --recipe embedded --base $(BASE) --output weights/embedded

clean:
	rm -rf build weights/embedded weights/base results.json report.html
