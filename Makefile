# Each target does its own set-up; nothing but Python 3.11, pip and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
RECIPE ?= recipes/quickstart.yaml

.PHONY: quickstart test check bench services clean

quickstart: $(VENV)/.installed
	$(BIN)/psychocounsel run $(RECIPE)

test: $(VENV)/.installed
	$(BIN)/python -m pytest

check: $(VENV)/.installed
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run

# PostgreSQL and Chromium, for the tests of the web pages; without them those tests skip, and say so.
services:
	@bash development/services.sh

# Written again whenever what is to be installed changes, and last, so that a cut-off installation is taken up again.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) runs
