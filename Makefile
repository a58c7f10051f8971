# `make` builds zegel in .venv, which the other targets do too. It needs only Python 3.11 or newer, make, gcc, git and a
# package index. Two commands are next: `make demo` shows the main job, `make test` checks it.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: build native demo test peers soak hours coverage budget lint docs docs-demo files install uninstall deb release lock clean

build: .venv/ready
	@echo "zegel is built: $(BIN)/zegel --help. Next:"
	@echo "  make demo    # shows what it does, in about a minute"
	@echo "  make test    # checks it"

demo: .venv/ready
	@$(BIN)/zegel demo $(if $(STAY),--stay)

# Most tests wait for real processes, so they run in twice as many processes as there are cores. Tests that measure, or need
# the machine, are marked `alone` and run after the others, also if one of these failed.
# They start zegel some hundred times; if Python may not store compiled files, each start compiles all of it.
JOBS ?= $(shell expr 2 \* $$(nproc))
PYTEST = $(BIN)/python -m pytest
tests = @export PYTHONDONTWRITEBYTECODE=; failed=0; $(PYTEST) -n $(JOBS) --dist=loadscope --no-loadscope-reorder -m "($(1)) and not alone" $(2) || failed=$$?; \
	$(PYTEST) -m "($(1)) and alone" $(2) && exit $$failed

test: .venv/ready-test
	$(call tests,not soak and not peers)

# Programs of other people, as far as they take long: MAVSDK, MAVProxy, ffmpeg, GStreamer.
peers: .venv/ready-test
	$(call tests,peers and not soak)

# The long tests, and the peers: 200 kills, a minute under load, millions of inputs, HOURS of flight. Prints its figures.
# K selects some of them by name: make soak K=field
HOURS ?= 2
soak: export ZEGEL_HOURS = $(HOURS)
soak: .venv/ready-test
	$(if $(K),@$(PYTEST) -m "soak or peers" -k "$(K)",$(call tests,soak or peers,--durations=25))

# Of the long tests, only the hours of flight.
hours: .venv/ready-test
	@ZEGEL_HOURS=$(HOURS) $(BIN)/python -m pytest -m soak tests/system/test_endurance.py

# Branch coverage by the tests that run in one process; those of tests/system start processes of their own and are not counted.
# Each folder of tests is run by one process, several at a time; tests that are marked `alone` follow. pytest ends with 5 if a
# folder has none.
# The figures go into CONTRIBUTING.md, unless TESTS names only some: make coverage TESTS=tests/unit/keys
TESTS ?= $(addprefix tests/,unit/bench unit/gateway unit/keys unit/firmware_shims property vectors hostile interop architecture)
COVERED = $(BIN)/coverage run --parallel-mode -m pytest -m "not soak and not peers and
coverage: .venv/ready-test
	@$(BIN)/coverage erase
	@failed=0; printf '%s\n' $(TESTS) | xargs -P $(JOBS) -I@ $(COVERED) not alone" @ || failed=$$?; \
	$(COVERED) alone" $(TESTS) || [ $$? = 5 ] || failed=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage report; exit $$failed
	@$(BIN)/coverage json -q -o - | $(BIN)/python -m tests.covered $(if $(filter file,$(origin TESTS)),--write)

# Instructions a datagram on an emulated Raspberry Pi, against bench/budget.json: fails if a figure, or its part outside the
# AEAD, grew by more than 5 %. The part in C is built by gcc-aarch64-linux-gnu.
budget: .venv/ready
	@$(BIN)/zegel bench pi --check

lint: .venv/ready-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The pages as a site in build/site. They are copied in the folders that they have here, so that each link is valid in both.
PAGES = $(wildcard *.md docs/*.md docs/*.svg examples/*.md examples/*.sdp gateway/*.md keys/*.md firmware_shims/*.md \
	bench/*.md tests/*.md) LICENSE
docs: .venv/ready-docs
	@rm -rf build/pages build/site
	@mkdir -p build/pages
	@cp --parents $(PAGES) build/pages
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/mkdocs.yml

# The picture of the demo in README, made by running it.
docs-demo: .venv/ready
	@$(BIN)/python docs/demo_svg.py

# On a board: sudo make install ROLE=air, or ROLE=ground. The program goes to /opt/zegel, its user is zegel.
PREFIX ?= /usr/local
# udev reads no other folder that is ours.
UDEV = $(if $(filter /usr,$(PREFIX)),/usr/lib,/etc)/udev/rules.d
ARCH ?= $(shell dpkg --print-architecture)

install:
	@$(if $(filter air ground,$(ROLE)),,echo "say which role: sudo make install ROLE=air, or ROLE=ground" >&2; exit 2)
	@$(MAKE) --silent files
	@$(if $(DESTDIR),,packaging/install $(ROLE))

# The files that a package contains too; an existing configuration stays.
files:
	@install -d $(DESTDIR)/etc/zegel/air.d $(DESTDIR)/etc/zegel/ground.d $(DESTDIR)$(PREFIX)/bin
	@for file in air ground egress; do [ -e $(DESTDIR)/etc/zegel/$$file.toml ] || \
		install -m 644 packaging/$$file.toml $(DESTDIR)/etc/zegel; done
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system packaging/*.service
	@install -D -m 644 packaging/sysctl.conf $(DESTDIR)$(PREFIX)/lib/sysctl.d/10-zegel.conf
	@install -D -m 644 -t $(DESTDIR)$(UDEV) packaging/*.rules
	@install -D -m 755 -t $(DESTDIR)$(PREFIX)/lib/zegel packaging/venv
	@packaging/native $(DESTDIR)$(PREFIX)/lib/zegel
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/zegel README.md CHANGELOG.md LICENSE
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/zegel/docs docs/*.md docs/*.svg
	@ln -sfn /opt/zegel/bin/zegel $(DESTDIR)$(PREFIX)/bin/zegel

# Keys, orders and /etc/zegel stay, unless PURGE=1.
uninstall:
	@packaging/uninstall "$(PREFIX)" "$(PURGE)"

# A package that installs without a network. ARCH=arm64 for a Raspberry Pi, wherever it is built.
deb: .venv/ready
	@packaging/deb "$(abspath $(BIN)/python)" "$(ARCH)"

# What a release consists of, in dist/: wheel, source archive, both packages, SHA256SUMS. It tags and pushes nothing.
release: .venv/ready
	@packaging/release "$(abspath $(BIN)/python)"

# The packages that zegel needs and is built with, pinned again to their newest versions.
lock: .venv/ready
	@packaging/lock "$(abspath $(BIN)/python)"

# If there is no compiler or no libssl-dev, this says so and makes nothing: the same work is done in Python.
NATIVE = gateway/native
native: $(NATIVE)/zegel-seal.so
$(NATIVE)/zegel-seal.so: $(NATIVE)/turn.c $(NATIVE)/wait.c $(NATIVE)/stage.c packaging/native
	@packaging/native $(NATIVE)

.venv/ready: setup.cfg pyproject.toml | native
	@$(PYTHON) -c 'import sys; sys.exit("zegel needs Python 3.11 or newer: make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	@echo "making the environment in .venv: once, about a minute"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) .
	@touch $@

.venv/ready-test: .venv/ready
	@$(INSTALL) '.[test,interop,browser,bench]'
	@touch $@

.venv/ready-lint: .venv/ready-test
	@$(INSTALL) '.[test,interop,browser,bench,lint]'
	@touch $@

.venv/ready-docs: .venv/ready
	@$(INSTALL) '.[docs]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache
