# pg_exchange. `make` alone lists what can be made.
#
# As with every extension, PG_CONFIG= chooses the PostgreSQL and DESTDIR= the root of an install.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PG_CONFIG ?= pg_config
# For the day of the demo, such as DAY='--seed 7 --commands 200000'.
DAY ?=
# For the torture, such as TORTURE='--seconds 3600 --seed 7'.
TORTURE ?=

# Made only when a recipe needs them: before the packages are installed there is no pg_config.
PG_CONFIG_PATH = $$(command -v '$(PG_CONFIG)')
PG_MAJOR = $$('$(PG_CONFIG)' --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
FEATURES = --no-default-features --features "pg_exchange/pg$(PG_MAJOR)"
# The build script of pgrx runs again, for minutes, whenever this changes.
CARGO = PG_CONFIG="$(PG_CONFIG_PATH)" PGRX_PG_CONFIG_PATH="$(PG_CONFIG_PATH)" cargo

RELEASE = $(or $(CARGO_TARGET_DIR),target)/release
VENUE = PG_CONFIG="$(PG_CONFIG_PATH)" '$(RELEASE)/venue'

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: install ## set everything up, trade a synthetic day, show it, and leave the exchange running
	@$(VENUE) demo $(DAY)

.PHONY: test
test: install ## run every test
	@PG_CONFIG='$(PG_CONFIG)' scripts/install-packages test
	@PG_CONFIG="$(PG_CONFIG_PATH)" PGRX_PG_CONFIG_PATH="$(PG_CONFIG_PATH)" \
		scripts/run-tests $(FEATURES)

.PHONY: torture
torture: install ## kill, stop, fill and cut for five minutes (TORTURE='--seconds 3600' for an hour), and audit
	@PG_CONFIG="$(PG_CONFIG_PATH)" PGRX_PG_CONFIG_PATH="$(PG_CONFIG_PATH)" scripts/torture $(TORTURE)

.PHONY: bench
bench: install ## measure the engine alone, the feed, and the exchange as its clients see it
	$(CARGO) run --release -p bench --bin engine
	$(CARGO) run --release -p bench --bin feed
	$(CARGO) run --release -p bench --bin exchange
	$(CARGO) run --release -p bench --bin replication
	$(CARGO) run --release -p bench --bin recovery
	$(CARGO) run --release -p bench --bin failover

.PHONY: report
report: install ## make a reporting database that follows the venue
	@$(VENUE) report

.PHONY: psql
psql: ## open psql on the venue
	@$(VENUE) psql

.PHONY: stop
stop: venue-tool ## stop the venue
	@if [ -x '$(RELEASE)/venue' ]; then $(VENUE) stop; fi

.PHONY: reset
reset: venue-tool ## stop the venue and remove it, so that the next demo begins anew
	@if [ -x '$(RELEASE)/venue' ]; then $(VENUE) remove; fi
	@rm -rf build

.PHONY: clean
clean: reset ## the same, and remove everything that was built
	cargo clean

.PHONY: start
start: install ## start the venue's cluster, with the library just built
	@$(VENUE) start

.PHONY: migrate
migrate: install ## start the cluster and make it a venue, without trading
	@$(VENUE) migrate

.PHONY: show
show: ## show again what the demo shows
	@$(VENUE) show

.PHONY: install
install: build ## build the extension and install it into the PostgreSQL of PG_CONFIG
	@PG_CONFIG="$(PG_CONFIG_PATH)" DESTDIR='$(DESTDIR)' \
		scripts/install-extension '$(RELEASE)/libpg_exchange.so'

.PHONY: build
build: packages ## build the extension and the venue tool
	$(CARGO) build --release -p pg_exchange -p venue $(FEATURES)

.PHONY: packages
packages: ## install the Debian packages that are missing
	@PG_CONFIG='$(PG_CONFIG)' scripts/install-packages

# To stop or remove a venue takes the tool, even where `cargo clean` took it away.
.PHONY: venue-tool
venue-tool:
	@if [ -d build/venue ] && [ ! -x '$(RELEASE)/venue' ]; then $(CARGO) build --release -p venue; fi
