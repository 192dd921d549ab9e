# Every target sets up its own environment: Python >= 3.11 and make are all it takes.
# PYTHON=python3.12 make test    picks another interpreter.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint format docs checkpoints results bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: $(READY) ## align the shipped generator with SoPo, measure it, write runs/quickstart/report.html
	$(BIN)/sopo quickstart

# Small tensors: one thread is the fastest. Two workers (-n 2) took longer when measured: each imports torch anew.
test: $(READY) ## run the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/pytest

lint: $(READY) ## ruff check, ruff format --check, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff fix and format everything
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## build the documentation as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

checkpoints: $(READY) ## train the shipped checkpoints again, from nothing
	$(BIN)/python -m sopo.recipes.checkpoints

results: $(READY) ## compare SoPo with its rivals over three seeds, write runs/results/table1.md and .png
	$(BIN)/sopo bench table1 --out runs/results --runs 4 --mining.captions 1200

bench: $(READY) ## time the hot paths
	@for file in benchmarks/rollout.py benchmarks/systems.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

clean: ## remove the environment and the caches, never runs/ or data/
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist src/*.egg-info

# pip's many lines become one word a package; its errors go straight to the terminal.
# The stamp is newer than what it was made from as long as nothing is to be installed again.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed (PYTHON=python3.12 make ...)"; exit 1; }
	@echo "Setting up .venv: once, some minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@( $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[dev]'; \
	   echo "exit $$?" ) | while read -r word rest; do case "$$word" in \
	     Collecting) printf '%s ' "$${rest%% *}" ;; \
	     Installing) printf '\ninstalling ...' ;; \
	     exit) echo; exit "$$rest" ;; \
	   esac; done
	@touch $@
