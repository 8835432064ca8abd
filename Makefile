# Each target does all of its own set-up: a machine with Python >= 3.11, git and make is enough.
PORT ?= 5000
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN = .venv/bin

.PHONY: demo test cases check lint lang lock browser clean

demo: .venv/demo.done  ## A billing application with backups, on http://127.0.0.1:$(PORT)
	@exec $(BIN)/python demo/tether.py $$PPID $(BIN)/python -m demo.run --port $(PORT)

# More processes than cores: most of a test's time is waiting.
test: .venv/test.done browser  ## All tests; what could not be tested is said at the end
	$(BIN)/pytest --numprocesses 4 --dist loadfile $(ARGS)

cases: .venv/test.done  ## What comes of a restore that goes wrong, each case played; docs/restore-failures.md has it
	@cd tests && ../$(BIN)/python -m cases

check: lint test  ## The tests, and lint, types and contracts

lint: .venv/dev.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# No lines of the sources and no dates in the catalogues: only words change them.
lang: .venv/demo.done  ## The catalogues brought up to the sources; ADD=fr begins one
	@mkdir -p build
	$(BIN)/pybabel -q extract -F babel.cfg --no-location --sort-output -w 118 -o build/puq_backups.pot .
	$(if $(ADD),$(BIN)/pybabel -q init -D puq_backups -i build/puq_backups.pot -d lang -w 118 -l $(ADD))
	$(BIN)/pybabel -q update -D puq_backups -i build/puq_backups.pot -d lang -w 118 --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date

# One resolution for Python 3.11 and later on every platform; the smaller files are parts of dev.txt.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock' setup.cfg -

lock: .venv/dev.done  ## requirements/*.txt renewed: the newest versions that setup.cfg allows, with their hashes
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade --extra dev -o requirements/dev.txt
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade --extra test -c requirements/dev.txt -o requirements/test.txt
	$(BUILD_REQUIRES) | $(COMPILE) --upgrade --extra demo -c requirements/dev.txt -o requirements/demo.txt

BUILD_REQUIRES = $(BIN)/python -c \
  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'

browser:
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v "$$name" >/dev/null && exit; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	fi || echo 'Chromium could not be installed: the browser tests will be left out.'

clean:
	rm -rf .venv build dist demo/instance tests/screenshots

.venv/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo 'No virtual environment could be made. On Debian and Ubuntu: apt-get install python3-venv'; exit 1; }

# pip takes no hashes for a folder, so ours is installed by itself, built with the locked setuptools.
.venv/%.done: .venv/bin/python requirements/%.txt setup.cfg setup.py pyproject.toml
	$(PIP) install --require-hashes -r requirements/$*.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
