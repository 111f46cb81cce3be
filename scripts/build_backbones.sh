#!/usr/bin/env bash
# Trains the two embedded backbones from scratch and stores them in data_builders/miniworld/backbones/weights.
# About three hours on one CPU core; any option goes to `python -m data_builders.miniworld.backbones` (see --help).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh
set_up run
source "$VENV/bin/activate"
exec python -m data_builders.miniworld.backbones "$@"
