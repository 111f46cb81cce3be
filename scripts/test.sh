#!/usr/bin/env bash
# Sets up .venv with what the tests need (once), then lint, types, import rules and the tests with coverage.
# Usage: bash scripts/test.sh              everything, as CI does
#        bash scripts/test.sh unit         one tier alone: unit, recipe, reference or server
#        bash scripts/test.sh unit -k name the rest of the line goes to pytest
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

tier="${1:-all}"
[ $# -eq 0 ] || shift
tests=("$ROOT/tests/$tier")
coverage=()
case "$tier" in
    all)
        tests=("$ROOT/tests")
        coverage=(--cov --cov-report=term)
        bash "$ROOT/scripts/chromium.sh" & # beside pip, which has one core busy
        chromium=$!
        set_up test
        wait "$chromium"
        ;;
    unit | recipe | reference | server) set_up test ;;
    *) stop "there is no test tier $tier; the tiers are unit, recipe, reference and server." ;;
esac
cd "$ROOT"

run_tests() {
    # One process more than the two cores that the time is given for: many tests wait for others that they start,
    # but for those of the unit tier.
    local processes=3
    [ "$tier" != unit ] || processes=2
    "$VENV/bin/python" -m pytest "${tests[@]}" --no-header --durations=15 -n "${TEST_PROCESSES:-$processes}" \
        --dist worksteal ${coverage[@]+"${coverage[@]}"} "$@"
}

if [ "$tier" != all ]; then
    run_tests "$@"
    exit
fi

# Lint runs beside the tests, mostly in what they leave of the cores, and tells its findings after them.
told="$(mktemp)"
nice bash scripts/lint.sh >"$told" 2>&1 &
lint=$!
trap 'kill "$lint" 2>/dev/null || true; rm -f "$told"' EXIT
# One process imports everything first: in a new environment each of several would compile it by itself.
"$VENV/bin/python" -m pytest "${tests[@]}" --collect-only -qq >/dev/null 2>&1 || true
status=0
run_tests "$@" || status=$?
linted=0
wait "$lint" || linted=$?
cat "$told"
[ "$status" = 0 ] || echo "mmtune: tests failed (exit status $status); see above." >&2
[ "$linted" = 0 ] || echo "mmtune: lint failed (exit status $linted); its findings are above." >&2
[ "$status" != 0 ] || status=$linted
exit "$status"
