#!/usr/bin/env bash
# A study as a job of Slurm, on one node or several. From the checkout with its packages in .venv, or from what
# `xrt cluster init` wrote with xrt in the active environment:
#
#   sbatch cluster/slurm.sh pawsx
#   squeue --me
#   python -m xrt.study status pawsx
#
# Two minutes before the time limit, or when the job is preempted, the study ends so that it can be resumed, and the job
# is queued again. Submitted again, or requeued by Slurm after the loss of a node, it resumes the run. The results folder
# must be on a file system that all nodes share. What to change is marked CHANGE.
#SBATCH --job-name=xrt
#SBATCH --nodes=1                  # CHANGE: more nodes, more trials at once
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8          # CHANGE: of each node
#SBATCH --gpus-per-node=1          # CHANGE: of each node; leave the line out for none
#SBATCH --time=12:00:00            # CHANGE
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -euo pipefail

python=.venv/bin/python
[ -x "$python" ] || python=$(command -v python3)
python=${XRT_PYTHON:-$python}
job=${SLURM_JOB_ID:?hand this file to sbatch}
nodes=${SLURM_JOB_NUM_NODES:-1}
cpus=${SLURM_CPUS_PER_TASK:-1}
ended=

# Each job has a Ray of its own, so that two jobs can share a node: its folder and ports follow from the job's number,
# and its token is secret. Ray's default folder and ports belong to whoever came first.
export RAY_TMPDIR=${TMPDIR:-/tmp}
[ ${#RAY_TMPDIR} -le 30 ] || RAY_TMPDIR=/tmp
unset RAY_ADDRESS

# `ray symmetric-run` suits only a job that is alone on its nodes: it refuses a node where any Ray runs, and its
# `ray stop` ends the Rays of all the user's jobs there. Here Ray ends with the job step that it runs in.
several() {
  port=$((20000 + job % 8000 * 5))
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
  address=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | awk '{print $1}')
  RAY_TMPDIR=$RAY_TMPDIR/xrt-job-$job
  RAY_AUTH_TOKEN=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
  export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
  mkdir -p -m 700 "$RAY_TMPDIR"
  srun --overlap --ntasks-per-node=1 bash -c '
    set -e
    mkdir -p -m 700 "$RAY_TMPDIR"
    where="--address=$1:$2"
    [ "$SLURM_NODEID" != 0 ] || where="--head --node-ip-address=$1 --port=$2 --include-dashboard=false
      --ray-client-server-port=$(($2 + 1))"
    exec "$3" start $where --block --num-cpus="$4" \
      --dashboard-agent-listen-port=$(($2 + 2)) --disable-usage-stats > /dev/null
  ' - "$address" "$port" "${python%/*}/ray" "$cpus" 2> "$RAY_TMPDIR/errors" &
  steps=$!
  for _ in $(seq 120); do
    ! (exec 3<> "/dev/tcp/$address/$port") 2> /dev/null || break
    kill -0 "$steps" 2> /dev/null || { cat "$RAY_TMPDIR/errors" >&2; exit 1; }
    sleep 1
  done
  export RAY_ADDRESS=$address:$port
  # known before the other nodes have joined, so that all processes are requested at once
  gib=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2> /dev/null | sort -n | sed -n 1p || true)
  export XRT_WORKERS=count=$nodes,cpus=$cpus${gib:+,gpus=${SLURM_GPUS_ON_NODE:-1},gpu_gib=$((gib / 1024))}
}

# Before anything starts: the signal may come at any moment, and would end the job without queuing it again.
stop() {
  ended=1
  [ -z "$study" ] || kill -TERM "$study" 2> /dev/null || true
}
study=
trap stop TERM

steps=
[ "$nodes" = 1 ] || several
"$python" -m xrt.study run --resume "$@" &
study=$!
[ -z "$ended" ] || stop
code=0
wait "$study" || code=$?
# a signal ends the first `wait`, but the study still has to save its state
while kill -0 "$study" 2> /dev/null; do
  code=0
  wait "$study" || code=$?
done
[ -z "$steps" ] || kill "$steps" 2> /dev/null || true
# 143: the signal came before the study listened, so it has not begun
if [ -n "$ended" ] && { [ "$code" = 130 ] || [ "$code" = 143 ]; }; then
  scontrol requeue "$job"
  exit 0
fi
exit "$code"
