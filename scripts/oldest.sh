#!/usr/bin/env bash
# Runs the unit tier with the oldest versions that setup.py allows, in a folder of its own (.venv-oldest), on
# Python 3.10 where there is one. Not part of CI's main run: it downloads a second PyTorch.
# Usage: bash scripts/oldest.sh [pytest options]
set -euo pipefail
scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export MMTUNE_VENV="$scripts/../.venv-oldest"
command -v python3.10 >/dev/null && python3.10 -V >/dev/null 2>&1 && export PYTHON="${PYTHON:-python3.10}"
CONSTRAINTS="$(mktemp)"
trap 'rm -f "$CONSTRAINTS"' EXIT
# Every requirement of setup.py reads "name>=version"; as a constraint it becomes "name==version", without extras.
grep -oE '"[A-Za-z0-9_-]+(\[[a-z]+\])?>=[0-9.]+"' "$scripts/../setup.py" | tr -d '"' |
    sed -E 's/\[[a-z]+\]//; s/>=/==/' >"$CONSTRAINTS"
source "$scripts/setup.sh"
set_up test
cd "$ROOT"
"$VENV/bin/python" -m pip list --format=freeze | grep -iE "^($(cut -d= -f1 "$CONSTRAINTS" | paste -sd'|'))=="
"$VENV/bin/python" -m pytest tests/unit -q -n "${TEST_PROCESSES:-2}" "$@"
