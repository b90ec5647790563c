# The few commands people type. Everything else is plain Snakemake inside .venv.
# Not /bin/bash: Apple's make (GNU make 3.81) starts simple recipes of the shells it knows by path itself, and looks for
# their programs on the PATH it was started with, not on the one exported here.
SHELL := bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# DIR=~/study: the folder where a study works, as given to `snakemake --directory`.
DIR ?=
CONFIG ?=
TARGET ?= results/report.html
# Not every shell expands the ~ of DIR=~/study.
IN = $(if $(DIR),--directory "$(patsubst ~/%,$(HOME)/%,$(DIR))")
# --configfile comes last: Snakemake takes every word after it for another configuration file.
WITH = $(if $(CONFIG),--configfile "$(CONFIG)")
SNAKEMAKE = snakemake --cores 1 --rerun-incomplete $(TARGET) $(IN) $(WITH)

# `make -f …/Makefile status` in a study's folder: as `make status DIR=…` here.
ROOT := $(shell cd "$$(dirname "$(strip $(MAKEFILE_LIST))")" && pwd -P)
# Before anything is installed: Snakemake takes braces in this folder's path for a wildcard, and a colon ends a folder on the PATH.
ODD := $(strip $(foreach mark,{ } :,$(findstring $(mark),$(ROOT))))
ifneq (,$(ODD))
$(error $(ROOT): this project cannot work in a folder whose path holds $(ODD); move it (blanks, umlauts and brackets are fine))
endif
ifneq ($(ROOT),$(CURDIR))
from_here = $(if $(filter /% ~%,$(1)),$(1),$(CURDIR)/$(1))
own = $(if $(shell test -f "$(CONFIG)" && echo yes),$(call from_here,$(CONFIG)),$(CONFIG))
.PHONY: help $(MAKECMDGOALS)
$(or $(MAKECMDGOALS),help):
	@$(MAKE) --no-print-directory -C "$(ROOT)" $@ DIR="$(or $(DIR),$(CURDIR))" $(if $(CONFIG),CONFIG="$(own)") $(if $(DEST),DEST="$(call from_here,$(DEST))")
else

.PHONY: help setup report preview preflight status disk ui rehearse-heat vintage matrix backup bench-dry-run bench-features bench-training bench-heat bench-statistics known-worlds test test-slow test-slurm faults lint format promote meta compare-models compare-baselines ablation verify clean clean-results lock docs golden leak-check

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: envs/requirements.lock $(wildcard envs/*.sh envs/*.py)
	@envs/setup.sh
	@touch $@

setup: .venv/.ready  ## Make .venv from the locked packages

report: .venv/.ready  ## Run the study to results/report.html (CONFIG=… for another configuration, DIR=… for another folder; so for most of these)
	@$(SNAKEMAKE)

preview: .venv/.ready  ## What would run, and a forecast of compute and time
	@python -m workflow_scripts.preview $(IN) $(WITH) $(TARGET)

preflight: .venv/.ready  ## Is this machine ready? (CONFIG=… for another configuration, TORCH=1 to compare the accelerator with the CPU)
	@python -m workflow_scripts.preflight $(IN) $(WITH) $(if $(TORCH),--torch)

leak-check: .venv/.ready  ## Do your features, series, sources and models look ahead? (CONFIG=…, WHAT="feature:NAME model:NAME")
	@python -m workflow_scripts.leak_check $(IN) $(WITH) $(WHAT)

test: .venv/.ready lint  ## Checks and all tests but the slow ones
	@python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow and not slurm"

test-slow: .venv/.ready  ## The tests that take minutes, but those of `make faults` and `make test-slurm`
	@python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "slow and not slurm and not faults"

test-slurm: .venv/.ready  ## A study on a real Slurm that the tests start (Debian: slurmctld slurmd munge)
	@python -c "import sys; from tests.cluster.slurm import missing_programs as lacking; \
	  sys.exit(f'make test-slurm: nothing would be tested; not installed: {chr(44).join(lacking())}. Debian: apt-get install slurmctld slurmd munge' if lacking() else 0)"
	@python -m pytest -m slurm

faults: .venv/.ready  ## Kill, fill, tear and lie to the workflow; writes the table of docs/reliability.md
	@rm -f results/faults.jsonl; mkdir -p results
	@FAULT_RECORDS="$(CURDIR)/results/faults.jsonl" python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m faults; code=$$?; \
	  python -m tests.faults.write_table results/faults.jsonl docs/reliability.md && exit $$code

lint: .venv/.ready  ## ruff, mypy, snakefmt, deptry, snakemake --lint
	@ruff check .
	@ruff format --check .
	@mypy lib
	@mypy --platform darwin --cache-dir .mypy_cache/darwin lib
	@snakefmt --check --compact-diff Snakefile rules
	@deptry .
	@snakemake --lint > /dev/null

format: .venv/.ready  ## Format Python and Snakemake files
	@ruff format . && ruff check --fix . && snakefmt Snakefile rules

status: .venv/.ready  ## Trainings that run or wait to be continued
	@python -m workflow_scripts.status $(IN)

disk: .venv/.ready  ## What data, models and checkpoints take, and what may be deleted
	@python -m workflow_scripts.disk $(IN)

ui: .venv/.ready  ## MLflow's and Optuna's dashboards of the study, on this machine only, until Ctrl-C
	@python -m workflow_scripts.ui $(IN)

rehearse-heat: .venv/.ready  ## Play a temperature curve through the file sensor SENSOR=… (STOP=1: to the limit; EVERY=seconds)
	@python -m workflow_scripts.rehearse_heat $(if $(SENSOR),"$(SENSOR)") $(if $(STOP),--stop) $(if $(EVERY),--seconds $(EVERY))

vintage: .venv/.ready  ## A new dated snapshot of the raw data (CONFIG=…, whose vintage is taken from VINTAGE)
	@VINTAGE=$${VINTAGE:-$$(date +%F)} snakemake --cores 1 --rerun-incomplete vintage $(IN) $(WITH)
	@echo "To use it: export VINTAGE=$${VINTAGE:-$$(date +%F)}, or write it as vintage: in the configuration."

matrix: .venv/.ready  ## All rows and columns of the data matrix, from the folder MARKET_DATA_DIR (works in studies/matrix)
	@snakemake --cores all --rerun-incomplete results/matrix.csv $(IN) --configfile config/matrix.yaml
	@cat "$(or $(patsubst ~/%,$(HOME)/%,$(DIR)),.)/studies/matrix/results/matrix.txt"

backup: .venv/.ready  ## Copy data, models and results to DEST=… and verify the copies
	@python -m workflow_scripts.backup $(IN) $(if $(DEST),"$(DEST)")

bench-features: .venv/.ready  ## Seconds and memory per tier, beside pandas-ta-classic, to results/benchmarks/features.json
	@python -m tests.benchmarks.features

bench-training: .venv/.ready  ## Samples per second, share of the matmul peak, beside the Hugging Face Trainer
	@python -m tests.benchmarks.training

bench-dry-run: .venv/.ready  ## Seconds and memory of a dry run of the full matrix, to results/benchmarks/dry_run.json
	@python -m tests.benchmarks.dry_run

bench-heat: .venv/.ready  ## The thermal guard on simulated machines, with and without its throttle
	@python -m tests.benchmarks.heat

promote: .venv/.ready  ## Make a run a production model: RUN=results/runs/… (NAME=… for a name of your own)
	@test -n "$(RUN)" || { echo "make promote: which run? RUN=results/runs/…/seed42" >&2; exit 2; }
	@python -m workflow_scripts.promote $(IN) $(if $(NAME),--name "$(NAME)") $(if $(RUN),"$(RUN)")

meta: .venv/.ready  ## The meta-module of config/meta-files.yaml, from the folder MARKET_DATA_DIR (works in studies/meta)
	@snakemake --cores all --rerun-incomplete results/meta/touch_1pct/comparison.json $(IN) --configfile config/meta-files.yaml

bench-statistics: .venv/.ready  ## Coverage of the intervals and rate of false findings, by simulation
	@python -m tests.benchmarks.statistics

known-worlds: .venv/.ready  ## Does the shipped study say what is so? On known markets, to results/benchmarks/known_worlds.json (PARTS="sizes seeds studies whole_way")
	@python -m tests.benchmarks.known_worlds $(PARTS)

compare-models: .venv/.ready  ## Every family of models on SPY from the folder MARKET_DATA_DIR, as a table and a page (works in studies/compare-models)
	@snakemake --cores all --rerun-incomplete results/model_comparison.csv results/report.html $(IN) --configfile config/compare-models.yaml

compare-baselines: .venv/.ready  ## The same a week and a month ahead (works in studies/compare-baselines)
	@snakemake --cores all --rerun-incomplete results/model_comparison.csv results/report.html $(IN) --configfile config/compare-baselines.yaml

ablation: .venv/.ready  ## Recipe, normalisation and readout of PatchTST, chosen on the years before the first fold's test (works in studies/ablation)
	@snakemake --cores all --rerun-incomplete results/ablation.csv results/report.html $(IN) --configfile config/ablation.yaml

verify: .venv/.ready  ## Re-hash data, checkpoints and models against their records
	@python -m workflow_scripts.verify $(IN)

docs: .venv/.ready  ## Write the pages that are made from the code
	@python -m workflow_scripts.write_docs

golden: .venv/.ready  ## Record what the stages compute now; raises the version of those that differ
	@python -m tests.golden

lock: .venv/.ready  ## Resolve the dependencies again
	@envs/lock.sh

clean-results:  ## Remove results and processed data, keep raw data and promoted models
	@for study in . studies/*; do \
	  find "$$study/results" -mindepth 1 -maxdepth 1 ! -name production -exec rm -rf {} + 2>/dev/null; rm -rf "$$study/data/processed"; done

clean: clean-results  ## Remove everything that was made, the environment too
	@rm -rf data results studies .snakemake .venv .bootstrap .pytest_cache .mypy_cache .ruff_cache
endif
