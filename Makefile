# make help lists the targets. What they do can be done by hand too: see README.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo run verify diff share preflight smoke evaluation-dry-run pod-run review report plan cost watch gates performance benchmark-compare benchmark-deduplication benchmark-training benchmark-engines benchmark-memory dag demo-base test test-integration test-gpu test-deployment test-slurm environments lint clean setup

# May be given on the command line: make demo SEED=2 RESULTS=results-seed-2 CORES=4 CONFIG="a.yaml b.yaml" ARGS=--dry-run
CORES ?=
SEED ?=
CONFIG ?=
RESULTS ?= results
PROFILE ?= profiles/local
ENGINE ?= transformers
ARGS ?=
# For make diff and make share.
A ?= results
B ?= results-seed-2
ARCHIVE ?= share/$(notdir $(RESULTS)).zip
REPO ?=
export PYTHON

VENV := .venv
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
INSTALLED_SLURM := $(VENV)/installed-slurm
INSTALLED_SHARE := $(VENV)/installed-share
INSTALLED_VLLM := $(VENV)/installed-vllm
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-compile
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONUNBUFFERED := 1
# Bytecode is written when a module is first imported, not for everything at installation. Where it may not be written, each
# job compiles all it imports anew, for ten seconds.
unexport PYTHONDONTWRITEBYTECODE

# With another RESULTS everything goes below it, so that two runs can lie side by side.
ifeq ($(RESULTS),results)
REPORTS := reports
BENCHMARKS := benchmarks
PLACES :=
else
REPORTS := $(RESULTS)/reports
BENCHMARKS := $(RESULTS)/benchmarks
PLACES := pathvars='{results: $(RESULTS), logs: $(RESULTS)/logs, benchmarks: $(RESULTS)/benchmarks, reports: $(REPORTS)}'
endif
ifeq ($(filter transformers vllm,$(ENGINE)),)
$(error ENGINE=$(ENGINE) is unknown: use transformers or vllm)
endif
INSTALLED_ENGINE := $(if $(filter vllm,$(ENGINE)),$(INSTALLED_VLLM))
SETTINGS := $(PLACES) $(if $(SEED),seed=$(SEED)) $(if $(filter vllm,$(ENGINE)),engine='{backend: vllm}')
SNAKEMAKE := snakemake --profile $(PROFILE) $(if $(CONFIG),--configfile $(CONFIG)) \
	$(if $(strip $(SETTINGS)),--config $(SETTINGS)) $(if $(CORES),--cores $(CORES))

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 18
	@echo 'Variables: SEED, RESULTS, CORES, CONFIG, PROFILE, ENGINE (vllm), ARGS (more arguments for snakemake)'

demo: run report  ## set up, run the whole workflow on the embedded base, and build its report
	@$(VENV)/bin/python -m workflow_scripts.headline --comparisons $(RESULTS)/statistics/comparisons.json \
		--claim $(RESULTS)/gates/claim.json \
		--pages $(REPORTS)/summary.html $(REPORTS)/report.html

# A budget gate that drops optional work ends the run: what is left is another graph of jobs. It goes on at once. And
# Snakemake does not look at what changed in a job behind one that runs; where the two hang together by an `ancient` file
# alone, it takes a second pass to see it.
run: $(INSTALLED) $(INSTALLED_ENGINE)
	@dropped() { cat $(RESULTS)/budget/dropped.json 2> /dev/null || true; }; before=$$(dropped); \
	until $(SNAKEMAKE) $(ARGS); do \
		status=$$?; after=$$(dropped); \
		if [ "$$before" = "$$after" ]; then exit $$status; fi; \
		before=$$after; echo "Optional work was dropped; the run goes on without it."; \
	done
	@if [ -z "$(strip $(ARGS))" ] && ! $(SNAKEMAKE) --dry-run 2>&1 | grep -q "Nothing to be done"; then \
		echo "Jobs that wait for others by order alone had changed, too; a second pass runs them."; $(SNAKEMAKE); \
	fi

# Snakemake's report is built again only when there was a run, or a caption changed, since the last one.
report: $(INSTALLED)  ## build Snakemake's own report of the last run
	@if [ ! -e $(REPORTS)/report.html ] || \
		[ -n "$$(find $(RESULTS)/sessions reports/captions -newer $(REPORTS)/report.html -print -quit)" ]; then \
		echo "Building $(REPORTS)/report.html"; \
		$(SNAKEMAKE) --quiet all --report $(REPORTS)/report.html; \
		(cd $(REPORTS) && sha256sum report.html > report.html.sha256); \
	fi

review: $(INSTALLED)  ## a page of what would run, why, at what cost and behind which gates (reports/review/); runs nothing
	@$(VENV)/bin/python -m workflow_scripts.review --pages $(REPORTS)/review -- $(SNAKEMAKE) $(ARGS)

dag: review  ## the graphs of rules and jobs as SVG and as Mermaid text, beside that page

# No conda here: a look at the machine must not wait for environments, and needs none.
preflight: $(INSTALLED)  ## look at this machine before money is spent: GPU, driver, memory, disk, volume, model, token, price
	@$(SNAKEMAKE) --software-deployment-method env-modules --quiet all --forcerun preflight $(ARGS) \
		-- $(RESULTS)/smoke/preflight.json

smoke: $(INSTALLED)  ## the model once through everything, for less than smoke.dollars: its rates, for the projection
	@$(SNAKEMAKE) --forcerun smoke_generation $(ARGS) -- $(RESULTS)/smoke/rates.json

ARM ?= base
evaluation-dry-run: $(INSTALLED)  ## load an arm's model and build all its requests (ARM=base), but generate nothing
	@$(SNAKEMAKE) --forcerun dry_run_of_respond $(ARGS) -- $(RESULTS)/smoke/dry_run/$(ARM).json

# STOP=stop or STOP=terminate ends the pod afterwards, however the run ends: profiles/runpod/README.md.
STOP ?=
POD_PROFILE = $(if $(filter profiles/local,$(PROFILE)),profiles/runpod,$(PROFILE))
pod-run: $(INSTALLED)  ## on a pod: preflight, the run, and its report; STOP=stop or STOP=terminate ends the pod afterwards
	@profiles/runpod/run.sh $(if $(STOP),--then $(STOP)) --results $(RESULTS) -- \
		$(MAKE) --no-print-directory PROFILE=$(POD_PROFILE) preflight run report

verify: $(INSTALLED)  ## check a finished run without GPU and model: bytes, prompts, scores, statistics, gates, page
	@$(VENV)/bin/python -m workflow_scripts.verify $(RESULTS)

diff: $(INSTALLED)  ## say what differs between two runs or sessions: make diff A=results B=results-seed-2
	@$(VENV)/bin/python -m workflow_scripts.diff_runs $(A) $(B) $(ARGS)

share: $(INSTALLED_SHARE)  ## pack a finished run for readers: make share REPO=OWNER/NAME ARCHIVE=share/run.zip
	@$(VENV)/bin/python -m workflow_scripts.share $(RESULTS) --archive $(ARCHIVE) $(if $(REPO),--repo $(REPO)) $(ARGS)

plan: $(INSTALLED)  ## plan what the run costs: hours, dollars, which GPU, what a budget buys
	@$(SNAKEMAKE) --forcerun plan_budget $(ARGS) -- $(RESULTS)/budget/plan.json

# Reads what the jobs write while they run: at any time, beside a run, without Snakemake.
cost: $(INSTALLED)  ## print what the run has cost so far, by rule and session, and what is projected to come
	@$(VENV)/bin/python -m workflow_scripts.cost_ledger --usage $(RESULTS)/usage --sessions $(RESULTS)/sessions \
		--projections $(addprefix $(RESULTS)/budget/,plan.json projection-pilot.json projection-sft.json) \
		--automation $(RESULTS)/budget/automation.json $(ARGS)

watch: $(INSTALLED)  ## beside a run: a live table of its jobs, how far they are, what failed, what it has cost
	@$(VENV)/bin/python -m workflow_scripts.watch --results $(RESULTS) $(ARGS)

gates: $(INSTALLED)  ## print how often the sft and dpo gates err, for this configuration
	@$(SNAKEMAKE) --forcerun gate_error_rates $(ARGS) -- $(RESULTS)/gates/error_rates.json

benchmark-compare: $(INSTALLED_DEV)  ## time compare on 10,000 items against plain resampling
	@$(VENV)/bin/python -m benchmarks.compare_speed

benchmark-engines: $(INSTALLED_DEV) $(INSTALLED_VLLM)  ## generate and judge through the modules and bare, with both engines (minutes)
	@$(VENV)/bin/python -m benchmarks.engine_throughput $(ARGS)

benchmark-deduplication: $(INSTALLED_DEV)  ## deduplicate a million synthetic records: time, memory, recall (minutes)
	@$(VENV)/bin/python -m benchmarks.deduplication

benchmark-training: $(INSTALLED_DEV)  ## time SFT and DPO against plain TRL scripts on the embedded base (minutes)
	@$(VENV)/bin/python -m benchmarks.training_throughput $(ARGS)

benchmark-memory: $(INSTALLED_DEV)  ## hold the memory model against the peaks of the last run's trainings
	@$(VENV)/bin/python -m benchmarks.training_memory --results $(RESULTS) --benchmarks $(BENCHMARKS) $(ARGS)

performance: $(INSTALLED)  ## write docs/performance.md from the last run's benchmarks
	@$(VENV)/bin/python -m workflow_scripts.performance_table --benchmarks $(BENCHMARKS) \
		--sessions $(RESULTS)/sessions --table docs/performance.md

demo-base: $(INSTALLED)  ## pretrain the embedded base again (minutes; not part of the demo)
	@snakemake --snakefile rules/demo_base.smk --profile $(PROFILE) $(if $(CORES),--cores $(CORES)) $(ARGS)

# One process for each of two cores; the files in the order of tests/conftest.py, each in one process.
PYTEST := $(VENV)/bin/python -m pytest
IN_TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: lint  ## check the style and run the tests
	@$(PYTEST) $(IN_TWO) $(ARGS)

test-integration: $(INSTALLED_DEV)  ## the slower tests with real parts: make demo in a fresh clone, the conda environments and more
	@$(PYTEST) -m integration $(IN_TWO) $(ARGS)

test-gpu: $(INSTALLED_DEV)  ## run the tests that need a CUDA device; without one they are skipped, with the reason
	@$(PYTEST) -m gpu $(ARGS)

test-deployment: $(INSTALLED_DEV)  ## of the slower tests, those that deploy the conda environments and run the workflow in them
	@$(PYTEST) -m integration tests/test_conda_deployment.py $(ARGS)

test-slurm: $(INSTALLED_SLURM)  ## run the workflow on a real Slurm with two emulated nodes (root, Debian or Ubuntu; many minutes)
	@$(PYTEST) -m slurm $(ARGS)

lint: $(INSTALLED_DEV)  ## check the style of Python and Snakemake files
	@ruff check .
	@ruff format --check .
	@snakefmt --check Snakefile rules
	@snakemake --lint

environments: $(INSTALLED_DEV)  ## lock the conda environments anew from their direct pins (reads the package index)
	@$(VENV)/bin/python envs/lock.py

setup: $(INSTALLED_DEV)  ## create .venv with everything, for work on the project

clean:  ## remove results, reports, logs and Snakemake's records; .venv stays
	rm -rf $(RESULTS) logs .snakemake
	rm -f benchmarks/*.jsonl
	find reports -mindepth 1 -maxdepth 1 ! -name captions ! -name templates -exec rm -rf {} +

$(INSTALLED): requirements.txt constraints.txt
	@$(call check_needs)
	@if ! $(VENV)/bin/python -m pip --version > /dev/null 2>&1; then \
		$(call find_python); \
		echo "Creating $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP) -r requirements.txt -c constraints.txt
	@touch $@

$(INSTALLED_SHARE): $(INSTALLED) requirements-share.txt
	@$(PIP) -r requirements-share.txt -c constraints.txt
	@touch $@

$(INSTALLED_DEV): $(INSTALLED_SHARE) requirements-dev.txt
	@echo "Installing requirements-dev.txt into $(VENV)"
	@$(PIP) -r requirements-dev.txt -c constraints.txt
	@touch $@

$(INSTALLED_VLLM): $(INSTALLED) requirements-vllm.txt
	@echo "Installing requirements-vllm.txt into $(VENV)"
	@$(PIP) --no-deps -r requirements-vllm.txt
	@touch $@

$(INSTALLED_SLURM): $(INSTALLED_DEV) requirements-slurm.txt
	@echo "Installing requirements-slurm.txt into $(VENV)"
	@$(PIP) --no-deps -r requirements-slurm.txt
	@touch $@

define check_needs
command -v git > /dev/null || { echo "git is missing: install git, then run make again" >&2; exit 1; }
endef

# The first of $PYTHON and the usual names that runs, is new enough and not too new, and can make environments.
define find_python
python=; for name in $${PYTHON:-} python3.11 python3.12 python3.13 python3; do \
	if "$$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; \
	then python=$$name; break; fi; done; \
	[ -n "$$python" ] || { echo "Python 3.11, 3.12 or 3.13 with its venv module is missing: install it (on Debian and Ubuntu:" \
	"apt install python3.11 python3.11-venv), or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
endef
