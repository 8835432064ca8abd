# Each target does all of its own set-up: a machine with Python >= 3.11, git and make is enough.
PORT ?= 5000
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN = .venv/bin
# More processes than cores: most of a test's time is waiting. The order of the files is that of tests/conftest.py.
PYTEST = bin/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder
PIP = bin/python -m pip --quiet --disable-pip-version-check

# Many tests start processes of their own: each would compile all modules again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo release test quick thorough newest lowest bench month machines peers faults gallery cases check lint lang lock browser clean

demo: .venv/demo.done  ## A billing application with backups, on http://127.0.0.1:$(PORT)
	@exec $(BIN)/python demo/end_with_parent.py $$PPID $(BIN)/python -m demo.run --port $(PORT)

test: .venv/test.done browser  ## All tests; what could not be tested is said at the end
	.venv/$(PYTEST) $(ARGS)

quick: .venv/test.done  ## Tests for daily work: SQLite only, no browser, no killed process
	.venv/$(PYTEST) --numprocesses 3 -m 'not slow and not flow' $(ARGS)

thorough: .venv/test.done browser  ## All tests at full length: every boundary, every example
	THOROUGH=1 .venv/$(PYTEST) $(ARGS)

newest: build/newest/bin/python browser  ## All tests on the newest versions that setup.cfg allows, without a lock
	build/newest/$(PIP) install --upgrade --upgrade-strategy eager $$($(BUILD_REQUIRES)) --editable '.[test]'
	build/newest/$(PYTEST) $(ARGS)

lowest: build/lowest/bin/python browser  ## All tests on the lowest versions that setup.cfg allows
	build/lowest/$(PIP) install --require-hashes -r requirements/lowest.txt
	build/lowest/$(PIP) install --no-deps --no-build-isolation --editable .
	build/lowest/$(PYTEST) $(ARGS)

bench: .venv/test.done  ## The figures of docs/scale.md: queries, calls, and times as ratios in one run
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

peers: build/peers/bin/python  ## How long others take to find what is due among 100,000, beside us; in an environment of its own
	build/peers/$(PIP) install --require-hashes -r requirements/peers.txt
	build/peers/$(PIP) install --no-deps --no-build-isolation --editable .
	build/peers/bin/python -m bench.peers $(ARGS)

month: .venv/test.done  ## A provider on virtual time: ARGS="--services 1000 --nodes 50 --days 30" plays a month
	@PYTHONPATH=tests $(BIN)/python -m bench.month $(ARGS)

machines: .venv/test.done  ## Real processes on PostgreSQL: polls, two workers, a killed machine, memory; ARGS="--only killed"
	@PYTHONPATH=tests $(BIN)/python -m bench.machines $(ARGS)

faults: .venv/test.done  ## Fault runs against the rules of tests/faults/README.md; SEEDS=17 or REAL=17 plays one again
	@cd tests && $(if $(REAL),:,../$(BIN)/python -m faults --seeds $(or $(SEEDS),1-1000))
	@cd tests && $(if $(SEEDS),:,../$(BIN)/python -m faults --real --rounds 8 --seeds $(or $(REAL),1-50))

cases: .venv/test.done  ## What comes of a restore that goes wrong, each case played; docs/restore-failures.md has it
	@cd tests && ../$(BIN)/python -m restore_failures

check: lint test  ## The tests, and lint, types and contracts

release: check  ## VERSION=1.2.0: version, changelog, build, check, commit and tag; nothing is pushed
	@$(BIN)/python tools/release.py '$(VERSION)'

lint: .venv/dev.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

gallery: .venv/test.done browser  ## Every state of the pages as a picture, in build/gallery/index.html
	@cd tests && ../$(BIN)/python -m gallery --out ../build/gallery

# No lines of the sources and no dates in the catalogues: only words change them.
lang: .venv/demo.done  ## The catalogues brought up to the sources; ADD=fr begins one
	@mkdir -p build
	$(BIN)/pybabel -q extract -F babel.cfg --no-location --sort-output -w 118 -o build/puq_backups.pot .
	$(if $(ADD),$(BIN)/pybabel -q init -D puq_backups -i build/puq_backups.pot -d lang -w 118 -l $(ADD))
	$(BIN)/pybabel -q update -D puq_backups -i build/puq_backups.pot -d lang -w 118 --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date

# One resolution for Python 3.11 and later on every platform; demo.txt and test.txt are parts of dev.txt.
LOCK = $(BUILD_REQUIRES) | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-annotate --custom-compile-command 'make lock' setup.cfg -
BUILD_REQUIRES = $(PYTHON) -c \
  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

lock: .venv/dev.done  ## requirements/*.txt renewed: the newest and the lowest versions that setup.cfg allows, with hashes
	$(LOCK) --extra dev --output-file requirements/dev.txt
	$(LOCK) --extra test --constraint requirements/dev.txt --output-file requirements/test.txt
	$(LOCK) --extra demo --constraint requirements/dev.txt --output-file requirements/demo.txt
	$(LOCK) --extra peers --constraint requirements/dev.txt --output-file requirements/peers.txt
	$(LOCK) --extra test --resolution lowest-direct --output-file requirements/lowest.txt

# Installs a Debian package where that is possible, and fails elsewhere.
APT = [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

browser:
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v "$$name" >/dev/null && exit; done; \
	$(APT) chromium || echo 'Chromium could not be installed: the browser tests will be left out.'

clean:
	rm -rf .venv build dist demo/instance tests/screenshots

# Debian and Ubuntu ship Python without the part that makes environments.
.venv/bin/python build/newest/bin/python build/lowest/bin/python build/peers/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(APT) python3-venv; } || { \
	  echo 'Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv'; exit 1; }
	@$(PYTHON) -m venv $(@:/bin/python=) || { rm -rf $(@:/bin/python=); exit 1; }

# pip takes no hashes for a folder, so ours is installed by itself, built with the locked setuptools.
.venv/%.done: .venv/bin/python requirements/%.txt setup.cfg setup.py pyproject.toml
	.venv/$(PIP) install --require-hashes -r requirements/$*.txt
	.venv/$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
