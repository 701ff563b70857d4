# make demo   set everything up and answer the sample questions with the embedded model
# make test   the same set-up, then the tests
# make lint   format, lint and type checks

PYTHON ?= python3.11
# Where pip finds torch's CPU build if it is not at hand: the address of PyTorch's own CPU wheel index.
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --no-deps
BASE := weights/base/smollm2-135m-instruct

.PHONY: demo test lint setup setup-all weights clean

demo: weights
	$(BIN)/python local_evaluation.py --skip-missing-metrics --report report.html

test: setup-all weights
	$(BIN)/python -m pytest

lint: setup-all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: .venv/cpu.installed
setup-all: .venv/training.installed .venv/dev.installed

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/cpu.installed: requirements-cpu.txt | .venv/bin/python
	@$(PIP) $$(grep ^torch== $<) $(TORCH_INDEX:%=--extra-index-url %) || { echo \
	  "No wheel of $$(grep ^torch== $<): run make again with TORCH_INDEX=<address of PyTorch's CPU wheel index>" >&2; exit 1; }
	$(PIP) -r $<
	@touch $@

.venv/%.installed: requirements-%.txt .venv/cpu.installed
	$(PIP) -r $<
	@touch $@

weights: weights/embedded/provenance.json

$(BASE)/model.safetensors: tools/embedded_model.py | .venv/cpu.installed
	$(BIN)/python -m tools.embedded_model --output $(BASE)

weights/embedded/provenance.json: $(BASE)/model.safetensors $(wildcard weights/adapters/*/adapter_model.safetensors) training/merge.py \
		$(wildcard training/recipes/*.py training/weights/*.py)
	rm -rf weights/embedded
	$(BIN)/python -m training.merge --recipe embedded --base $(BASE) --output weights/embedded

clean:
	rm -rf build weights/embedded weights/base results.json report.html
