# make install   sets up .venv in the versions of requirements.lock
# make demo      sets up what the main job needs and runs it on real recordings
# make test      lint, format, types, import contracts, documents, fast tests
# make test-all  the same with slow tests and faults at full length
# make test-bare         the fast tests without compilers, emulators, browsers, servers and data
# make test-processors   the tests marked `numbers` on emulated processors: AVX2 without VNNI, and SSE4.2 alone
# make site      the documentation as a site in site/; a broken link is an error
# make release   wheels in dist/VERSION, tried in empty environments, with hashes; TAG=yes tags
# make bench     the tables of docs/benchmarks.md
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := $(VENV)/.installed-demo
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
# Where a shell forbids Python to keep bytecode, every process that a test starts would compile again what it imports.
unexport PYTHONDONTWRITEBYTECODE

BENCHES := bench-training bench-hapt bench-own-data bench-default bench-intervals bench-start bench-stream bench-compress bench-anomalies bench-predict bench-page bench-device bench-fleet bench-fleet-scale bench-language bench-denoise bench-upscale bench-estimate bench-accelerators bench-mcu bench-fpga bench-proof-faults bench-optimiser bench-rows
.PHONY: install demo test test-bare test-all lint types contracts docs unit slow test-processors bench $(BENCHES) faults faults-fleet mutants site release lock

install: $(STAMP)

demo: $(DEMO)
	$(BIN)/edgewright demo

# What the demo needs first; the rest comes into the same environment with `make install`, which the tests ask for.
$(DEMO) $(STAMP): requirements.lock pyproject.toml tools/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "expected Python 3.11 or newer, got $$($(PYTHON) --version). Name another: make PYTHON=python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	$(BIN)/python tools/install.py $(if $(findstring demo,$@),demo,dev)
	@touch $@ $(DEMO)

# Each but the tests is one process, which keeps one core: two run at once, and the tests beside the types.
test:
	@$(MAKE) --no-print-directory -j 2 -O lint contracts docs
	@$(MAKE) --no-print-directory -j 2 types unit
	@cat $(LEFT_OUT)

test-all: test slow faults faults-fleet

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_names.py

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

docs: install
	$(BIN)/python tools/make_docs.py --check

# Tests share the machine with each other and with whatever else runs: one that fails is run once more, alone, and has
# failed when it fails again. One that passes then is reported as flaky, also in the last lines of `make test`. Where a
# process of tests dies, `loadfile` waits for ever and `worksteal` goes on.
REMEMBER := -o addopts="-q --strict-markers --strict-config -p no:schemathesis" -o cache_dir=$(VENV)/.pytest_cache
LEFT_OUT := $(VENV)/.left-out
ALL := $(REMEMBER) --cache-clear --dist worksteal --durations 25 --durations-min 10
REMEMBERED := $(VENV)/.pytest_cache/v/cache/lastfailed
ALONE := cp $(REMEMBERED) $(VENV)/.flaky && echo "once more, alone:" && EDGEWRIGHT_DRAW=1 $(BIN)/pytest $(REMEMBER) -rA --last-failed --last-failed-no-failures=none --maxfail 10
FLAKY := $(BIN)/python -c 'import json; [print("flaky, passed only when run again:", name) for name in json.load(open("$(VENV)/.flaky"))]' | tee -a $(LEFT_OUT)

# Fast tests first, so that a mistake shows early; the last line lists what they skipped. They write into memory if it has
# 4 GB and may hold programs: on a disk, stores and fleets wait for it most of their time.
MEMORY = $(shell test -w /dev/shm && ! grep -q ' /dev/shm .*noexec' /proc/mounts && \
	test "$$(df -k --output=avail /dev/shm | tail -1)" -gt 4000000 && echo /dev/shm)
# Libraries are named after the C and the compiler, so that all checkouts of a user share them.
COMPILED = $(shell d="$${XDG_CACHE_HOME:-$$HOME/.cache}/edgewright-tests"; \
	if mkdir -p "$$d" 2>/dev/null && test -w "$$d"; then echo "$$d"; else echo $(VENV)/.compiled; fi)
unit: export PYTEST_DEBUG_TEMPROOT = $(MEMORY)
unit: export EDGEWRIGHT_LEFT_OUT = $(LEFT_OUT)
unit: export EDGEWRIGHT_COMPILED = $(COMPILED)
unit: install
	$(BIN)/pytest $(ALL) -o tmp_path_retention_policy=failed -o tmp_path_retention_count=1 -m "not slow and not heavy" -n 2 || { $(ALONE) -m "not slow and not heavy" && $(FLAKY); }

# The fast tests as on a fresh machine: without compilers, emulators, browsers, servers and data.
test-bare: install
	$(BIN)/python tools/run_bare.py $(MAKE) --no-print-directory unit

# DRAW of the slow and of the heavy tests run: half of them near the code that changed SINCE a commit or a time, the others
# drawn by the commit, so that the next commit draws others.
DRAW := 1
SINCE := 4 hours ago
AFFECTED := $(VENV)/.affected
slow faults: export EDGEWRIGHT_DRAW = $(DRAW) $(shell git rev-parse HEAD 2>/dev/null)
slow faults: export EDGEWRIGHT_AFFECTED = $(AFFECTED)

# Many of these wait for a browser, a server or an emulator: three at once keep two cores busy.
slow: install
	$(BIN)/python tools/affected.py "$(SINCE)" > $(AFFECTED)
	@echo "slow tests: $$EDGEWRIGHT_DRAW"
	$(BIN)/pytest $(ALL) -m "slow and not heavy" -n 3 || { $(ALONE) -m "slow and not heavy" && $(FLAKY); }

# conftest.py brings JAX and polars, which do not start without AVX; networks are trained outside the emulator. Workers of
# pytest-xdist would not be emulated: each processor has a process of its own. Hypothesis waits as long as it takes.
# OpenBLAS asks the machine itself, so it is given the processor.
PROCESSORS := Haswell Nehalem
NUMBERS := -m pytest -p no:xdist --noconftest --hypothesis-profile=ci -rs -m "numbers and not slow"
test-processors: $(PROCESSORS:%=test-on-%)

test-on-%: install
	EDGEWRIGHT_COMPILE=no OPENBLAS_CORETYPE=$* qemu-x86_64 -cpu $* $(BIN)/python $(NUMBERS) $$(grep -rl --include='*.py' "pytest.mark.numbers" tests)

bench: $(BENCHES)

# Tables that a generator draws, of 10,000 to 1,000,000 rows, three of each; ten minutes of processor. ROWS names other
# sizes, KINDS csv, parquet or both: make bench-rows ROWS=5000000 KINDS=csv,parquet. RECORDINGS=1 draws folders of
# recordings in their place, KINDS parquet, csv and wav.
bench-rows: install
	$(BIN)/python -m benchmarks.rows $(if $(RECORDINGS),--recordings) $(if $(ROWS),--rows $(ROWS)) $(if $(KINDS),--kinds $(KINDS))

# Plants some 350 faults in every form, and proves 60 models without one: half an hour of two idle cores. Names of parts run
# these only, and what has a result is not judged again: make bench-proof-faults PARTS="c99 onnx"
bench-proof-faults: install
	$(BIN)/python -W ignore -m benchmarks.proof_faults $(PARTS)

bench-training: install
	$(BIN)/python -m benchmarks.training; tables=$$?; $(BIN)/python -m benchmarks.training.accuracy && exit $$tables

# Twenty task families beside the repository: four minutes of processor.
bench-optimiser: install
	$(BIN)/python -W ignore -m benchmarks.optimiser

bench-hapt: install
	$(BIN)/python -m benchmarks.hapt

# Five public sets beside the repository, by `init` and by hand: a quarter of an hour.
bench-own-data: install
	$(BIN)/python -m benchmarks.own_data

# What a stranger gets on thirty sets, and peers tuned in an environment of their own: an hour. Records are kept, and peers
# with a record are not fitted again. SETS names sets with commas: make bench-default SETS=ecg200,gunpoint
bench-default: install
	$(BIN)/python -m benchmarks.default $(if $(SETS),--only $(SETS))

bench-intervals: install
	$(BIN)/python -m benchmarks.intervals

bench-start: install
	$(BIN)/python -m benchmarks.start

bench-stream: install
	$(BIN)/python -m benchmarks.stream
	$(BIN)/python -m benchmarks.device.rows

bench-compress: install
	$(BIN)/python -m benchmarks.compress

bench-anomalies: install
	$(BIN)/python -m benchmarks.anomalies

bench-predict: install
	$(BIN)/python -m benchmarks.predict

bench-page: install
	$(BIN)/python -m benchmarks.page

bench-device: install
	$(BIN)/python -m benchmarks.device

bench-denoise: install
	$(BIN)/python -m benchmarks.denoise

# Public sets beside the repository; ten minutes of processor.
bench-upscale: install
	$(BIN)/python -m benchmarks.upscale

# Needs cc for the row with a slower disk; takes about two minutes.
bench-fleet: install
	$(BIN)/python -m benchmarks.fleet

# Large fleets: half an hour of a core for the simulated ones; names of parts run these only.
bench-fleet-scale: install
	$(BIN)/python -m benchmarks.fleet_scale $(PARTS)

# Takes about half an hour; names of tasks run these only: python -m benchmarks.language parse
# Peers of forecasts have an environment of their own (600 MB); where it cannot be made, their rows say so.
PEERS := .venv-peers
bench-language: install
	@test -e $(PEERS)/.installed || { $(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install --quiet \
		--disable-pip-version-check statsforecast==2.1.1 && touch $(PEERS)/.installed; } || echo "left out: statsforecast"
	EDGEWRIGHT_PEERS=$${EDGEWRIGHT_PEERS:-$$(test -e $(PEERS)/.installed && echo $(PEERS)/bin/python)} \
		$(BIN)/python -m benchmarks.language

# Compiles and counts seventy programs for each of four cores: about six minutes. --write fits anew what comes with
# Edgewright, from 180 more a core: half an hour.
bench-estimate: install
	$(BIN)/python -m benchmarks.estimate


bench-accelerators: install
	$(BIN)/python -m benchmarks.accelerators

# Compiles and emulates eight networks in six ways: forty minutes. emlearn comes into an environment of its own.
bench-mcu: install
	$(BIN)/python -m benchmarks.mcu

# Simulates, synthesises and places four networks: a quarter of an hour. Needs verilator.
bench-fpga: install
	$(BIN)/python -m benchmarks.fpga

# Code is changed in COUNT expressions that SEED draws, one at a time; what no test notices is printed. Tests run in forks
# of one process, and .venv/.reach keeps which functions they enter: an hour of two cores the first time.
COUNT := 300
SEED := 0
mutants: install
	$(BIN)/python tools/mutants.py --count $(COUNT) --seed "$(SEED)"

# SHARE of the states after a cut or a kill that are opened again, drawn by chance.
SHARE := 1

# Faults at full length: simulated fleets, agents that are killed again and again; then power cuts and kills: every state
# that they may leave of a device's store, opened again.
faults: install
	$(BIN)/python tools/affected.py "$(SINCE)" > $(AFFECTED)
	@echo "heavy tests: $$EDGEWRIGHT_DRAW"
	$(BIN)/pytest $(ALL) -m heavy -n 2 || { $(ALONE) -m heavy; }
	$(BIN)/python -m benchmarks.faults --share $(SHARE)

# The same of a fleet: its agent, what a device knows of signed metadata, and the control plane with all that it publishes.
faults-fleet: install
	$(BIN)/python -m benchmarks.faults_fleet --share $(SHARE)

# MkDocs has an environment of its own (270 MB). Serve the site to search it: python -m http.server -d site
SITE := .venv-site
CHECKS := .venv-release
site: $(SITE)/.installed
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet --strict
	@echo "open site/index.html"

$(SITE)/.installed: requirements-site.lock
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-site.lock
	@touch $(SITE)/.installed

# Wheels and source of both distributions in dist/VERSION, tried in empty environments, with bills of material and hashes;
# TAG=yes tags the commit. Half an hour; needs the network.
release: install $(CHECKS)/.installed
	$(BIN)/python tools/release.py $(if $(TAG),--tag)

$(CHECKS)/.installed: requirements-release.lock
	$(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-release.lock
	@touch $(CHECKS)/.installed

# Resolves the newest versions again; needs the network. The file names no index.
lock: install
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python tools/lock.py
