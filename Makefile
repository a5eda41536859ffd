# One environment, .venv, made once by .ci/environment; see CONTRIBUTING.md. PYTHON=... chooses the interpreter.
SHELL := /bin/sh
VENV := .venv
PY := "$(VENV)/bin/python"
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help environment quickstart test test-full lint clean

help:
	@echo "make quickstart   install, train the quick matrix and print its leaderboard"
	@echo "make test         what every change must pass (ruff, mypy, pytest)"
	@echo "make test-full    the long acceptance runs as well"
	@echo "make lint         ruff and mypy alone"
	@echo "make clean        remove the environment and caches; runs/ stays"

environment:
	@sh .ci/environment "$(VENV)"

quickstart: environment
	@$(PY) -m benchbench run --matrix quick

lint: environment
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: lint
	$(PY) -m pytest -m "not full" -rs

test-full: lint
	$(PY) -m pytest -rs

clean:
	rm -rf "$(VENV)" build dist .mypy_cache .ruff_cache .hypothesis .benchmarks
	find benchbench plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +
