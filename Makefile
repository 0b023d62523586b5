# Needs make and npm (any version, any Node): the Node that runs everything comes from npm into node_modules.
# Every target installs what is missing, and does nothing where nothing changed.

CONFIG ?= systemapi-config.toml
SHELL  := /bin/sh
MAKEFLAGS += --no-print-directory

SOURCES := $(shell find src -name '*.ts' 2>/dev/null)
PACKAGING := $(shell find packaging scripts -type f 2>/dev/null) bin/systemapi systemapi-config.toml README.md CHANGELOG.md

# npm itself runs with the machine's own Node: an installation replaces the project's one under its feet.
WITH_NODE := PATH="$(CURDIR)/node_modules/.bin:$$PATH"

# What the lines `make run` prints need of the configuration.
PORT = $(shell sed -n 's/^listen_addr *= *"[^"]*:\([0-9]*\)".*/\1/p' $(CONFIG) 2>/dev/null | head -n 1)
PIPE = $(shell sed -n 's/^pipe_file *= *"\([^"]*\)".*/\1/p' $(CONFIG) 2>/dev/null | head -n 1)
URL  = http://localhost:$(or $(PORT),3535)

# Kills of `make crash` and `make crash-operations`.
ROUNDS ?= 50

.PHONY: help run test test-guest guest-root sim check build package bench crash crash-operations format clean

help:
	@echo "make run      install, build and start the daemon on $(CONFIG)"
	@echo "make test     install, build and run all tests"
	@echo "make sim      replay a simulated fault run (SEED=7), or run many (SEEDS=1..5000)"
	@echo "make check    types, Effect rules, lint, format, dead code"
	@echo "make test-guest  the tests in a machine booted by systemd; as root, installs what that takes"
	@echo "make build    dist/systemapi.js, which starts without node_modules"
	@echo "make package  dist/systemapi_VERSION_ARCH.deb: the daemon as a service, with its own Node"
	@echo "make bench    measure against bare servers (bench/README.md)"
	@echo "make crash    kill -9 under load, ROUNDS=$(ROUNDS) times: nothing acknowledged is lost"
	@echo "make crash-operations  the same for operations: none is lost, none runs twice"
	@echo "make format   format all sources"
	@echo "make clean    remove what was built and installed"

run: dist/systemapi.js
	@echo
	@echo "  Try, in another terminal:"
	@echo
	@echo "    curl '$(URL)/api/v1/new_event?message=hello'"
	@echo "    echo 'hello from a service' > $(or $(PIPE),pipe.fifo)"
	@echo "    curl '$(URL)/logs'"
	@echo
	@echo "  Ctrl-C stops it."
	@echo
	@exec bin/systemapi --config $(CONFIG)

test: dist/systemapi.js
	@$(WITH_NODE) vitest run

guest-root: node_modules/.stamp
	@$(WITH_NODE) node test/guest/harness/prepare.ts

test-guest: package guest-root
	@$(WITH_NODE) SYSTEMAPI_GUEST=required vitest run --project guest

sim: node_modules/.stamp
	@$(WITH_NODE) node test/sim/cli.ts $(or $(SEEDS),$(SEED))

check: node_modules/.stamp
	@$(WITH_NODE) npm run --silent check

build: dist/systemapi.js
	@:

package: dist/.packaged
	@:

dist/.packaged: dist/systemapi.js $(PACKAGING)
	@$(WITH_NODE) node scripts/package.ts
	@touch $@

bench: dist/systemapi.js
	@$(WITH_NODE) node bench/main.ts

crash: dist/systemapi.js
	@$(WITH_NODE) SYSTEMAPI_CRASH_ROUNDS=$(ROUNDS) vitest run test/system/crash.test.ts

crash-operations: dist/systemapi.js
	@$(WITH_NODE) SYSTEMAPI_CRASH_ROUNDS=$(ROUNDS) vitest run test/system/operationsCrash.test.ts

format: node_modules/.stamp
	@$(WITH_NODE) npm run --silent format

clean:
	rm -rf dist node_modules

dist/systemapi.js: $(SOURCES) scripts/build.ts scripts/compile.ts package.json node_modules/.stamp
	@$(WITH_NODE) node scripts/build.ts

# Not `npm ci`: it refuses a lock file that lacks binaries for foreign machines, and npm leaves those out of the lock
# where its registry does not carry them. This takes the locked versions all the same, and writes no file.
node_modules/.stamp: package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is needed, and is not on this machine" >&2; exit 1; }
	@echo "Installing the dependencies (once; about a minute)"
	@npm install --no-save --no-fund --no-audit --loglevel=error
	@$(WITH_NODE) node scripts/check-node.cjs
	@touch $@
