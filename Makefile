# Python 3.11 or newer, Go and git are all that has to be there. `make` lists what can be done.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

STACK ?= 10k
BIN := .venv/bin
INSTALLED := .venv/installed
UV := 0.13.8
ACTIONLINT := .headroom/bin/actionlint

# Without bytecode an import of the AWS SDK takes twice as long; an empty value is as good as unset.
export PYTHONDONTWRITEBYTECODE :=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z.-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: engine ## bring up STACK (10k) on the local cloud, and verify it
	@echo "==> headroom up $(STACK) --local"
	@$(BIN)/headroom up $(STACK) --local
	@echo "==> headroom verify $(STACK) --local"
	@$(BIN)/headroom verify $(STACK) --local

.PHONY: down
down: $(INSTALLED) ## destroy STACK on the local cloud, and stop the cloud
	@echo "==> headroom destroy $(STACK) --local"
	@$(BIN)/headroom destroy $(STACK) --local
	@$(BIN)/headroom local stop

.PHONY: plan
plan: $(INSTALLED) ## show STACK as a tree: no engine, network or credentials
	@$(BIN)/headroom plan $(STACK)

.PHONY: test
test: lint typecheck engine cluster pgbouncer ## lint, types and every test, against the real engine and API server
	@echo "==> pytest"
	@$(BIN)/pytest -q -n 2 --dist loadfile

.PHONY: lint
lint: $(INSTALLED) workflows ## ruff: rules and format; the workflows
	@echo "==> ruff"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

.PHONY: workflows
workflows: $(INSTALLED) $(ACTIONLINT) ## actionlint and zizmor; shellcheck where it is installed
	@echo "==> actionlint, zizmor"
	@$(ACTIONLINT)
	@$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic .github
	@! command -v shellcheck > /dev/null || shellcheck .ci/run .github/scripts/*.sh

# Every source pinned by hash, as the engine's are.
$(ACTIONLINT): tools/actionlint/go.mod tools/actionlint/go.sum
	@command -v go > /dev/null || { echo "Go is needed to build actionlint: https://go.dev/dl/" >&2; exit 2; }
	@echo "==> building actionlint"
	@cd tools/actionlint && CGO_ENABLED=0 GOWORK=off go build -mod=readonly -trimpath -buildvcs=false \
	    -o $(CURDIR)/$@ github.com/rhysd/actionlint/cmd/actionlint

.PHONY: typecheck
typecheck: $(INSTALLED) ## mypy --strict (the first run takes a minute or two)
	@echo "==> mypy"
	@$(BIN)/mypy

.PHONY: format
format: $(INSTALLED) ## write what ruff can mend
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

.PHONY: docs
docs: $(INSTALLED) ## write the generated parts of the documentation
	@$(BIN)/python -m tools.docs
	@$(BIN)/headroom schema --write

.PHONY: bench
bench: engine ## time of plan, preview and guard by resource, 10k against 1m (some five minutes)
	@$(BIN)/python -m tools.bench

.PHONY: app
app: $(INSTALLED) ## run the application with its servers on this machine; Ctrl-C stops all (PORT=, DIRECTORY=)
	@$(BIN)/python -m tools.app $(if $(PORT),--port $(PORT)) $(if $(DIRECTORY),--directory $(DIRECTORY))

.PHONY: app-do
app-do: $(INSTALLED) ## a command in the application that runs: make app-do DO="administrator add ada@example.com"
	@$(BIN)/python -m tools.app.do $(if $(DIRECTORY),--directory $(DIRECTORY)) $(DO)

.PHONY: bench-app
bench-app: $(INSTALLED) ## what the application's requests cost, and how long they take under load (some five minutes)
	@$(BIN)/python -m tools.bench_app

.PHONY: engine
engine: $(INSTALLED) ## find the Pulumi engine, or fetch or build it
	@$(BIN)/headroom engine

.PHONY: cluster
cluster: $(INSTALLED) ## build the Kubernetes API server that the tests ask (some five minutes, once)
	@$(BIN)/python -m tools.cluster.build

.PHONY: pgbouncer
pgbouncer: $(INSTALLED) ## find PgBouncer, or build it (half a minute, once)
	@$(BIN)/python -m tools.app.pgbouncer

.PHONY: lock
lock: ## pin requirements*.in again; UPGRADE=1 takes the newest
	@$(PICK_PYTHON); "$$python" -m venv .headroom/lock
	@.headroom/lock/bin/pip install --quiet uv==$(UV)
	@.headroom/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url $(if $(UPGRADE),--upgrade) --output-file requirements.lock requirements-dev.in
	@# What the image holds: the same versions, and nothing that only the program or the tests need.
	@.headroom/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --constraint requirements.lock --output-file app/requirements.lock app/requirements.in

.PHONY: clean
clean: ## stop the local cloud; remove what was installed, built and cached
	@[ ! -x $(BIN)/headroom ] || $(BIN)/headroom local stop || true
	@rm -rf .venv .headroom .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Sets $python to the first interpreter that is new enough, PYTHON before all others.
define PICK_PYTHON
python=; for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then echo "Python 3.11 or newer is needed; say where it is: make PYTHON=/path/to/python3.11" >&2; exit 2; fi; \
if ! "$$python" -c 'import ensurepip, venv' 2> /dev/null; then \
	echo "$$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; fi
endef

.PHONY: .venv
.venv: $(INSTALLED)

$(INSTALLED): requirements.lock requirements.in pyproject.toml
	@$(PICK_PYTHON); total=$$(grep -v win32 requirements.lock | grep -c '=='); \
	echo "==> installing $$total packages into .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv
	@total=$$(grep -v win32 requirements.lock | grep -c '=='); \
	$(BIN)/pip install --progress-bar off --require-hashes --requirement requirements.lock | awk -v total="$$total" ' \
		/^(Collecting|Requirement already)/ { n++; if (n % 10 == 0) { print "    " n " of " total; fflush() } } \
		/^Installing collected/ { print "    unpacking"; fflush() }'
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q infra stacks components policies
	@touch $@
