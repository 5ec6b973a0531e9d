# Everything runs in .venv, which holds exactly what requirements.lock lists. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV ?= .venv
# Test files that run at once; each of the two starts a Keycloak, a PostgreSQL and servers of its own.
JOBS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export VENV

.PHONY: help demo test lint format operations docs lock wheel compose-env clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Try it: MLflow with logins, on this machine only (KEYCLOAK=1: with a real Keycloak)
ifdef KEYCLOAK
	@$(BIN)/python -m tests.demo.with_keycloak
else
	@$(BIN)/mlflow-oidc-auth demo
endif

test: $(INSTALLED) ## Everything that CI runs: lint and all tests (ARGS="tests/unit -x": some of them)
	@scripts/system.sh
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: $(INSTALLED) ## ruff, mypy and import-linter alone
	@$(BIN)/python -m pytest -q tests/lint

format: $(INSTALLED) ## Lay out the code as the lint wants it
	@$(BIN)/python -m ruff check --fix-only .
	@$(BIN)/python -m ruff format .

operations: $(INSTALLED) ## What the installed MLflow serves and the operations table lacks
	@$(BIN)/mlflow-oidc-auth operations

docs: $(INSTALLED) ## Write docs/settings.md and docs/openapi.json from the program itself
	@$(BIN)/mlflow-oidc-auth settings > docs/settings.md
	@$(BIN)/mlflow-oidc-auth openapi > docs/openapi.json

lock: $(INSTALLED) ## Choose the newest versions again and write requirements.lock and requirements-server.lock
	@scripts/lock.sh

wheel: $(INSTALLED) ## Build dist/*.whl
	@$(BIN)/uv build -q --wheel --no-build-isolation --python $(BIN)/python
	@ls dist/*.whl

compose-env: ## Make .env with random secrets, for docker compose
	@scripts/compose_env.sh

clean: ## Remove .venv, caches and what was built
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist test-output

$(INSTALLED): requirements.lock pyproject.toml scripts/install.sh
	@scripts/install.sh
