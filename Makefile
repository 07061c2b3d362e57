# Everything goes through `make`, which needs nothing but Python 3.11 or newer with pip.
PYTHON ?= python3
UV_VERSION := 0.13.9
STAMP := .venv/.licet-setup

.PHONY: setup demo test check bench serve screenshots
.DEFAULT_GOAL := check

setup: $(STAMP)

$(STAMP): uv.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --all-extras --inexact
	touch $@

demo: setup
	.venv/bin/licet demo

test: setup
	.venv/bin/pytest -n 2 --dist loadscope

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(MAKE) test

bench: setup
	set -e; for script in bench/*.py; do .venv/bin/python "$$script"; done

serve: setup
	.venv/bin/licet serve

screenshots: setup
	.venv/bin/python tests/take_screenshots.py
