#!/usr/bin/env bash
# Lint, format, types and the import rules of docs/architecture.md.
# Usage: bash scripts/lint.sh [--fix]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up test
cd "$ROOT"
if [ "${1:-}" = --fix ]; then
    "$VENV/bin/ruff" check --fix .
    "$VENV/bin/ruff" format .
fi
"$VENV/bin/ruff" check .
"$VENV/bin/ruff" format --check .
"$VENV/bin/mypy"
"$VENV/bin/lint-imports"
