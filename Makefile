# Everything goes through `make`, which needs nothing but Python 3.11 or newer with pip.
PYTHON ?= python3
UV_VERSION := 0.13.9
STAMP := .venv/.licet-setup
TRAIN_STAMP := .venv/.licet-setup-train
SYNC := UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --all-extras --inexact
TORCH := torch==2.13.0
# Where pip has the CPU build at hand, it is taken without the gigabytes that uv.lock lists for CUDA.
TORCH_PARTS = $(shell sed -nE 's/^name = "(torch|triton|(cuda|nvidia)-.*)"/--no-install-package \1/p' uv.lock)

.PHONY: setup setup-train demo test check bench bench-train serve screenshots
.DEFAULT_GOAL := check

setup: $(STAMP)

$(STAMP): uv.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(SYNC) --no-extra train
	touch $@

setup-train: $(TRAIN_STAMP)

$(TRAIN_STAMP): $(STAMP)
	$(SYNC) $(TORCH_PARTS)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	touch $@

demo: setup
	.venv/bin/licet demo

test: setup-train
	.venv/bin/pytest -n 2 --dist loadscope

check: setup-train
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(MAKE) test

bench: setup
	set -e; for script in $(filter-out bench/forgetting.py bench/chain%.py,$(wildcard bench/*.py)); do .venv/bin/python "$$script"; done

bench-train: setup-train
	.venv/bin/python bench/forgetting.py
	.venv/bin/python bench/chain.py
	.venv/bin/python bench/chain_heads.py

serve: setup
	.venv/bin/licet serve

screenshots: setup
	.venv/bin/python tests/take_screenshots.py
