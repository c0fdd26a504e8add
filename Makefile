# Two commands do everything: `make demo` shows what Sartor does, `make test` proves that it works.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= build/demo
BIN = $(VENV)/bin

.PHONY: demo test test-slow lint format venv

# Profile this machine, specialize the shipped supernet for it, and verify what comes out.
demo: $(VENV)/.installed
	$(BIN)/sartor profile --device local --runtime litert --force --store $(DEMO)/tables.sqlite
	$(BIN)/sartor specialize --table local-litert --store $(DEMO)/tables.sqlite --out $(DEMO)
	$(BIN)/sartor export $(DEMO)
	$(BIN)/sartor verify $(DEMO) --device local

# In two processes, each with its files whole: what a file's tests share is made once.
test: $(VENV)/.developed
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

# What takes longer than ten seconds: parity on 200 networks, the whole demo, the real data set.
test-slow: $(VENV)/.developed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.developed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

venv: $(VENV)/.developed

# PyTorch goes first, because pip alone would choose a build with several GB of CUDA.
$(VENV)/.installed: pyproject.toml .ci/install_torch
	$(PYTHON) -m venv $(VENV)
	.ci/install_torch $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[all,train,dev]'
	touch $@
