# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
# A short front for meson and ninja; `make help` lists what there is.

BUILD ?= build

.PHONY: all setup run check bench scorecard install deb tarball clean help
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@./setup --build
	@meson setup $(BUILD) >$(BUILD)-setup.log 2>&1 || { cat $(BUILD)-setup.log; exit 1; }
	@rm -f $(BUILD)-setup.log

setup:
	@./setup

run: setup all
	@tests/demo

check: setup all
	@meson setup --reconfigure $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet
	@tests/run $(if $(JOBS),--jobs $(JOBS))

bench: all
	@./setup --bench
	@nice bench/cost

scorecard: all
	@nice $(BUILD)/sim/scorecard --output docs/scorecard.md --json $(BUILD)/scorecard.json
	@echo 'docs/scorecard.md and $(BUILD)/scorecard.json are written'

install: all
	@$(if $(prefix),meson configure $(BUILD) -Dprefix=$(prefix) && ninja -C $(BUILD) --quiet)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

deb:
	@./setup
	@packages/deb

tarball:
	@./setup --build
	@packages/tarball

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            build $(BUILD)/pinleak'
	@echo 'make run        set up, build, and catch a leaking driver'
	@echo 'make check      run every test (JOBS=N: N suites at a time)'
	@echo 'make bench      measure what tracking costs, and write docs/cost.md'
	@echo 'make scorecard  hold the decisions against the truth of simulated machines'
	@echo 'make install    install (prefix=/usr/local, DESTDIR=)'
	@echo 'make deb        a Debian package, in $(BUILD)/deb'
	@echo 'make tarball    a program that carries its libraries, in $(BUILD)'
	@echo 'make clean      remove $(BUILD)'
