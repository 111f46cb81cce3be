#!/usr/bin/env bash
# Sets up .venv with what the tests need (once), then lint, types, import rules and the tests with coverage.
# Usage: bash scripts/test.sh              everything, as CI does
#        bash scripts/test.sh unit         one tier alone: unit, recipe, reference or server
#        bash scripts/test.sh unit -k name the rest of the line goes to pytest
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up test
cd "$ROOT"

tier="${1:-all}"
[ $# -eq 0 ] || shift
case "$tier" in
    all)
        bash scripts/lint.sh
        bash scripts/chromium.sh
        tests=(tests)
        coverage=(--cov --cov-report=term)
        ;;
    unit | recipe | reference | server)
        tests=("tests/$tier")
        coverage=()
        ;;
    *) stop "there is no test tier $tier; the tiers are unit, recipe, reference and server." ;;
esac

# One process more than the two cores that the time is given for: many tests wait for others that they start.
exec "$VENV/bin/python" -m pytest "${tests[@]}" --no-header --durations=15 -n "${TEST_PROCESSES:-3}" --dist worksteal \
    ${coverage[@]+"${coverage[@]}"} "$@"
