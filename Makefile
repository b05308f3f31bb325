# Everything one does with this repository. A fresh machine needs make and CPython,
# 3.11 or later, with its venv module: each target sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
UV := $(shell sed -n 's/.*"\(uv==[^"]*\)".*/\1/p' pyproject.toml)
CODE := client/src client/examples server/src protos/generate.py server/docs/printer tests

export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never

.DELETE_ON_ERROR:
.PHONY: help demo test polyglot polyglot-long gate bench mutants simulate chaos soak fuzz check generate clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-13s %s\n' "$$name" "$$text"; done

demo: $(READY) ## deliver sample events to the sandbox of TikTok and show what became of each
	@$(BIN)/tokferry demo

test: $(READY) ## run the tests
	$(BIN)/pytest -n 4 -m "not gate and not long and not polyglot"

polyglot: $(READY) ## build the examples of each language, and call a server with them
	$(BIN)/pytest -n 2 --dist loadgroup tests/polyglot -m polyglot

polyglot-long: $(READY) ## the same, with 100,000 events a stream
	POLYGLOT_EVENTS=100000 $(BIN)/pytest -n 2 --dist loadgroup tests/polyglot -m polyglot

gate: $(READY) ## run the heavier proofs
	$(BIN)/pytest -n 2 -m gate

bench: $(READY) ## measure speed beside its floors, and write it into tests/bench/RESULTS.md
	@$(BIN)/uv sync --quiet --frozen --all-packages --group bench
	@PYTHONPATH=tests GRPC_ENABLE_FORK_SUPPORT=0 $(BIN)/python -m bench

mutants: $(READY) ## change the mapping's code in small ways, and see that tests notice
	$(BIN)/python tests/bench/mutants.py

simulate: $(READY) ## play 10,000 stories of the delivery worker in virtual time
	$(BIN)/python tests/durable/simulate.py --seeds 10000 --processes 2

chaos: $(READY) ## kill the server at random and at every failpoint, and the bulk command; nothing is lost
	PYTHONPATH=tests $(BIN)/python -m chaos
	$(BIN)/pytest -m long

soak: $(READY) ## serve for an hour under load and faults, and rotate all secrets meanwhile
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

fuzz: $(READY) ## feed a million inputs to each place that reads bytes from outside
	cd tests && for target in json structured typed tiktok settings; do \
		../$(BIN)/python -m fuzz $$target --runs 1000000 || exit 1; done

check: $(READY) ## check style, types, imports, protos, and that generated files are fresh
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code
	$(BIN)/buf breaking protos --against protos/baseline.binpb
	$(BIN)/python protos/generate.py --check
	$(BIN)/python server/docs/printer --check

generate: $(READY) ## write the code made from the protos and the pages made from tables
	$(BIN)/python protos/generate.py
	$(BIN)/python server/docs/printer

clean: ## delete the environment and what the tools keep
	rm -rf $(VENV) dist .mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	cd client/examples && rm -rf python/.venv go/bin go/gen go/tokferry-example \
		typescript/node_modules typescript/dist typescript/src/gen java/target
	find client server protos tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml client/pyproject.toml server/pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed, and $(PYTHON) is not:" \
			"name another, such as: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) \
		|| { rm -rf $(VENV); echo "The venv module of $(PYTHON) is needed:" \
			"on Debian, install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check "$(UV)"
	@$(BIN)/uv sync --quiet --frozen --all-packages
	@touch $@
