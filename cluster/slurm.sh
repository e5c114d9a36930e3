#!/usr/bin/env bash
# A study as a job of Slurm, on one node or several. From the checkout, with its packages in .venv:
#
#   sbatch cluster/slurm.sh pawsx
#   squeue --me
#   python -m xrt.study status pawsx
#
# Two minutes before the time is up, or when the job is preempted, the study is ended so that it can go on, and the job
# is queued again. Handed in once more, or requeued by Slurm after a node is lost, it goes on where it was. The results
# folder has to be on a file system that all nodes share. What to change is marked CHANGE.
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

python=${XRT_PYTHON:-.venv/bin/python}
job=${SLURM_JOB_ID:?hand this file to sbatch}
nodes=${SLURM_JOB_NUM_NODES:-1}
cpus=${SLURM_CPUS_PER_TASK:-1}
ended=

# Each job has a Ray of its own, so that two of them may share a node: folder and ports by the number of the job, a
# token that nobody else knows. Ray's folder belongs to whoever came first, and its usual ports too.
export RAY_TMPDIR=${TMPDIR:-/tmp}
[ ${#RAY_TMPDIR} -le 30 ] || RAY_TMPDIR=/tmp
unset RAY_ADDRESS

# `ray symmetric-run` would do for a job that is alone on its nodes: it refuses one where any Ray runs, and its
# `ray stop` ends those of all jobs of the user there. Here Ray ends with the step that it runs in.
several() {
  port=$((20000 + job % 8000 * 5))
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
  address=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | awk '{print $1}')
  RAY_TMPDIR=$RAY_TMPDIR/xrt-job-$job
  RAY_AUTH_TOKEN=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
  export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
  srun --overlap --ntasks-per-node=1 bash -c '
    set -e
    mkdir -p -m 700 "$RAY_TMPDIR"
    where="--address=$1:$2"
    [ "$SLURM_NODEID" != 0 ] || where="--head --node-ip-address=$1 --port=$2 --include-dashboard=false
      --ray-client-server-port=$(($2 + 1))"
    exec "$3" start $where --block --num-cpus="$4" \
      --dashboard-agent-listen-port=$(($2 + 2)) --disable-usage-stats > /dev/null
  ' - "$address" "$port" "${python%/*}/ray" "$cpus" &
  steps=$!
  for _ in $(seq 120); do
    ! (exec 3<> "/dev/tcp/$address/$port") 2> /dev/null || break
    sleep 1
  done
  export RAY_ADDRESS=$address:$port
  # known before the other nodes have joined, so that all processes are asked for at once
  gib=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2> /dev/null | sort -n | sed -n 1p || true)
  export XRT_WORKERS=count=$nodes,cpus=$cpus${gib:+,gpus=${SLURM_GPUS_ON_NODE:-1},gpu_gib=$((gib / 1024))}
}

steps=
[ "$nodes" = 1 ] || several
"$python" -m xrt.study run --resume "$@" &
study=$!
trap 'ended=1; kill -TERM "$study" 2> /dev/null || true' TERM
code=0
wait "$study" || code=$?
# a signal ends the first `wait`; the study takes its time to write down where it is
while kill -0 "$study" 2> /dev/null; do
  code=0
  wait "$study" || code=$?
done
[ -z "$steps" ] || kill "$steps" 2> /dev/null || true
if [ -n "$ended" ] && [ "$code" = 130 ]; then
  scontrol requeue "$job"
  exit 0
fi
exit "$code"
