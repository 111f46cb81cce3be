# shellcheck shell=bash
# launch RECIPE [--part.key value ...]: start `mmtune train` on every GPU of one or several machines.
# Sourced by the scripts beside it. Reads GPUS, NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT, LAUNCHER, HOSTFILE.
launch() {
  local gpus nnodes node_rank address port
  gpus="${GPUS:-$(nvidia-smi --list-gpus 2>/dev/null | wc -l)}"
  if [ "$gpus" -eq 0 ]; then
    echo "no GPU found: export GPUS=N to start N processes" >&2
    return 2
  fi
  nnodes="${NNODES:-${SLURM_NNODES:-1}}"
  node_rank="${NODE_RANK:-${SLURM_NODEID:-0}}"
  address="${MASTER_ADDR:-}"
  if [ -z "$address" ] && [ -n "${SLURM_JOB_NODELIST:-}" ]; then
    address="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
  fi
  if [ -z "$address" ] && [ "$nnodes" -gt 1 ]; then
    echo "several machines need MASTER_ADDR: export the name of the first one" >&2
    return 2
  fi
  address="${address:-127.0.0.1}"
  port="${MASTER_PORT:-29500}"
  if [ "${LAUNCHER:-torchrun}" = deepspeed ]; then
    deepspeed ${HOSTFILE:+--hostfile "$HOSTFILE"} --no_local_rank --num_gpus "$gpus" --master_addr "$address" \
      --master_port "$port" --module mmtune.cli train "$@"
  else
    torchrun --nnodes "$nnodes" --node-rank "$node_rank" --nproc-per-node "$gpus" \
      --master-addr "$address" --master-port "$port" -m mmtune.cli train "$@"
  fi
}
