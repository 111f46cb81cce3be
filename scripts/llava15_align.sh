#!/usr/bin/env bash
# LLaVA-1.5-7B, stage 1 (align the projector). Settings after the script's name go to mmtune, as --optim.lr 1e-3.
#   one machine:       bash scripts/llava15_align.sh
#   several machines:  NNODES=2 NODE_RANK=0 MASTER_ADDR=node0 bash scripts/llava15_align.sh   (on each, with its rank)
#   SLURM:             srun --nodes 2 --ntasks-per-node 1 bash scripts/llava15_align.sh
#   deepspeed:         LAUNCHER=deepspeed HOSTFILE=hosts bash scripts/llava15_align.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${DATA:?export DATA=/path/to/data first}"
export DATA
# shellcheck source=scripts/launch.sh
source scripts/launch.sh
launch recipes/llava15/7b-align.yaml "$@"
