#!/usr/bin/env bash
# Makes .venv in the project's root and installs the project into it, once. The other scripts source this file
# and call `set_up run` or `set_up test`; run by itself it makes the environment for everyday work.
# PYTHON=/path/to/python3 chooses the interpreter, MMTUNE_VENV=/some/folder another place than .venv.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${MMTUNE_VENV:-$ROOT/.venv}"
unset PYTHONDONTWRITEBYTECODE # or each of the many processes would compile PyTorch's modules anew

stop() { # one sentence, exit status 2: the machine lacks something that a person must add
    echo "mmtune: $*" >&2
    exit 2
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    stop "Python 3.10 or newer was not found; install it or set PYTHON=/path/to/python3."
}

# What was installed depends on these; a stamp with another key means that set-up runs again.
stamp_key() { # $1: interpreter
    { cat "$ROOT/setup.py" "${CONSTRAINTS:-/dev/null}"; "$1" -V; echo "$ROOT"; } |
        cksum | tr -d ' \n'
}

make_venv() { # $1: interpreter
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    "$1" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "this Python has no venv module; install it (on Debian and Ubuntu: apt-get install python3-venv)."
    rm -rf "$VENV" # absent, half made, or of a Python that is gone
    "$1" -m venv "$VENV"
}

is_set_up() { # $1: run or test, $2: key; what the tests need includes what a run needs
    [ -x "$VENV/bin/python" ] && grep -qsxF "$2" "$VENV/.stamp-test" "$VENV/.stamp-$1"
}

# What pip is told by its files and by the environment, which goes first.
pip_setting() { # $1: its name, as index-url
    local found
    found="$("$VENV/bin/python" -m pip config list 2>/dev/null)" || return 0
    for level in :env: install global; do
        sed -nE "s/^$level\\.$1='(.*)'\$/\\1/p" <<<"$found" | grep . && return 0
    done
    return 0
}

# uv unpacks packages on all cores at once, in a fifth of pip's time. It does not read what pip is told.
tell_uv() {
    local setting
    while read -r name variable; do
        setting="$(pip_setting "$name")"
        [ -z "$setting" ] || [ -n "${!variable:-}" ] || export "$variable=$setting"
    done <<-'END'
	index-url UV_DEFAULT_INDEX
	extra-index-url UV_INDEX
	find-links UV_FIND_LINKS
	trusted-host UV_INSECURE_HOST
	timeout UV_HTTP_TIMEOUT
	cert SSL_CERT_FILE
	END
    export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}" # as pip: the newest, whichever index has it
}

install() { # $1: what
    local quiet=-q # in a log only errors; on a terminal a person sees the downloads
    [ ! -t 1 ] || quiet=
    local options=(${CONSTRAINTS:+--constraint "$CONSTRAINTS"} --editable "$1")
    local pip=("$VENV/bin/python" -m pip install $quiet --disable-pip-version-check)
    if "${pip[@]}" -q uv >/dev/null 2>&1; then
        (tell_uv && "$VENV/bin/uv" pip install $quiet --python "$VENV/bin/python" "${options[@]}") && return
        echo "mmtune: uv could not install this (see above); pip does it, which takes longer." >&2
    fi
    # --no-compile: of these packages most modules are never imported; those that are, compile as they are
    "${pip[@]}" $quiet --no-compile "${options[@]}"
}

# Every step that may fail says `|| exit`: inside `set_up … && …` the shell would ignore `set -e`.
set_up() ( # $1: run (the project alone) or test (with all that the tests need)
    set -uo pipefail
    python="$(find_python)" || exit
    key="$(stamp_key "$python")"
    is_set_up "$1" "$key" && exit 0
    mkdir -p "$VENV" || exit
    if command -v flock >/dev/null; then # two scripts started at once must not install into one folder at once
        exec 9>"$VENV.lock"
        flock 9 || exit
        is_set_up "$1" "$key" && exit 0
    fi
    echo "Setting up $VENV (once; PyTorch and the rest are 6 GB, some minutes on a home connection)"
    make_venv "$python" || exit
    rm -f "$VENV"/.stamp-*
    what="$ROOT"
    [ "$1" = run ] || what="$ROOT[$1]"
    install "$what" ||
        stop "pip could not install mmtune into $VENV (see above); mend that and run the same script again."
    echo "$key" >"$VENV/.stamp-$1"
)

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set_up "${1:-run}" && echo "Ready: source $VENV/bin/activate"
fi
