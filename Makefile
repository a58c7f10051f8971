# Two commands do all the set-up: `make demo` shows the main job, `make test` checks it. Both make their own environment
# in .venv and need only Python 3.11 or newer, make, gcc, git and a package index.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: demo test soak hours budget lint clean

demo: .venv/ready
	@$(BIN)/zegel demo $(if $(STAY),--stay)

test: .venv/ready-test
	@$(BIN)/python -m pytest

# The long forms: 200 kills, a minute under load, millions of inputs, HOURS of flight. Prints what it tried.
HOURS ?= 2
soak: .venv/ready-test
	@ZEGEL_HOURS=$(HOURS) $(BIN)/python -m pytest -m soak

# Of those, the hours alone.
hours: .venv/ready-test
	@ZEGEL_HOURS=$(HOURS) $(BIN)/python -m pytest -m soak tests/system/test_endurance.py

# Instructions a datagram on an emulated Raspberry Pi, against bench/budget.json: fails if a figure grew by more than 5 %.
budget: .venv/ready
	@$(BIN)/zegel bench pi --check

lint: .venv/ready-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.venv/ready: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("zegel needs Python 3.11 or newer: make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	@echo "making the environment in .venv: once, about a minute"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) .
	@touch $@

.venv/ready-test: .venv/ready
	@$(INSTALL) '.[test,interop,bench]'
	@touch $@

.venv/ready-lint: .venv/ready-test
	@$(INSTALL) '.[test,interop,bench,lint]'
	@touch $@

clean:
	rm -rf .venv *.egg-info .mypy_cache .pytest_cache .ruff_cache
