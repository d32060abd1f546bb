# Every target creates .venv and installs the locked packages when they are missing or have changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
UV     := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo dev test lint types bench lock clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || { echo "Creating $(VENV)"; $(if $(UV),$(UV) venv -q --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV)); }
	@echo "Installing the locked packages (once)"
ifneq ($(UV),)
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
else
	@$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
endif
	@touch $@

demo: $(STAMP) ## A shop with history, models, segments and a measured campaign; then the UI until Ctrl-C
	@$(BIN)/python manage.py demo $(ARGS)

dev: $(STAMP) ## Web, worker and beat on your own data, with embedded PostgreSQL and Valkey
	@$(BIN)/python manage.py dev $(ARGS)

test: $(STAMP) ## Every test
	@tests/clients/install.sh
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: $(STAMP) ## Style, types, migrations and deployment checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	@SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))") \
	  ENVIRONMENT=production ALLOWED_HOSTS=localhost DATABASE_URL=postgres://unused/unused \
	  REDIS_URL=redis://unused $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(BIN)/mypy

bench: $(STAMP) ## Every measurement at its small size
	@for script in bench/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

lock: $(STAMP) ## Resolve requirements.lock again: hashes, no addresses
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --universal \
	  pyproject.toml --extra dev -o requirements.lock

clean: ## Remove the environment and the embedded servers' data
	@rm -rf $(VENV) .rapport build dist .pytest_cache .ruff_cache .mypy_cache
