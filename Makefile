PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test typed tested verified test-all explore bench bench-advice bench-agreement figure1 clean

demo: $(VENV)/.installed  ## set up, then advise on a made-up table that comes with the project
	$(BIN)/rsgadvise recommend configs/seedlings.csv

test: $(VENV)/.installed-test  ## set up, lint, type-check, run every test and the built-in verification
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs typed tested verified  # together: each leaves a core idle at times

typed:
	$(BIN)/mypy

tested:
	$(BIN)/python -m pytest -q -n auto --dist worksteal

verified:
	$(BIN)/rsgadvise verify --quiet

test-all: $(VENV)/.installed-all  ## the same tests with every optional reader and the libraries of --emit installed; and those of research/
	$(MAKE) --no-print-directory tested
	$(BIN)/python -m pytest -q research

explore: $(VENV)/.installed-test  ## every property on other examples than before, until one fails or ROUNDS are done; then 1000 random specs a round, or TRIES
	for round in $$(seq $(or $(ROUNDS),10)); do \
	  $(BIN)/python -m pytest -q -n auto --dist worksteal -m hypothesis --hypothesis-profile=explore tests || exit 1; \
	done
	$(BIN)/python tests/explore/exploring.py --tries $(or $(TRIES),$$(( $(or $(ROUNDS),10) * 1000 ))) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.installed-bench  ## timings and memory, each beside a peer measured in the same run
	$(BIN)/python -m benchmarks

bench-advice: $(VENV)/.installed-bench  ## what advice is worth in trials, on the data sets in RSGADVISE_DATA; MODE=modern: of torch modules, batch: critical batch sizes, convolution: a small CNN from the command line
	$(BIN)/python -m benchmarks.$(or $(filter modern batch convolution,$(MODE)),advice)

bench-agreement: $(VENV)/.installed  ## whether bounds rank configurations as training does, on the data sets in RSGADVISE_DATA
	$(BIN)/python -m research.agreement

figure1: $(VENV)/.installed-plot  ## the paper's Figure 1 on the data sets in DATA: pictures and verdicts in docs/figure1
	RSGADVISE_DATA='$(or $(DATA),$(RSGADVISE_DATA))' $(BIN)/python -m research.figure1 -o docs/figure1

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q rsgadvise
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	$(BIN)/python -m compileall -q rsgadvise
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-all: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test,all,integrations]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-plot: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[plot]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
