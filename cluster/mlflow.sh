#!/usr/bin/env bash
# On the head: MLflow's server, with PostgreSQL as its store and its artifacts beside the results. Safe to run again.
# PostgreSQL runs as this user and listens on a socket in ~/xrt-mlflow only, so it needs no password; MLflow listens on
# loopback only: `python -m xrt.study ui --cluster FILE` opens a tunnel to it.
set -euo pipefail
place=~/xrt-mlflow
address=http://127.0.0.1:5000

installed() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }
if [ -z "$(installed)" ]; then
  sudo apt-get -qq update
  sudo apt-get -qq install -y postgresql
fi
PATH=$(installed):$PATH

mkdir -p -m 700 "$place"
[ -s "$place/data/PG_VERSION" ] || initdb -D "$place/data" --auth=peer --encoding=UTF8 > /dev/null
pg_ctl -D "$place/data" status > /dev/null ||
  pg_ctl -D "$place/data" -w -l "$place/postgresql.log" -o "-h '' -k $place" start > /dev/null
psql -h "$place" -lqt postgres | cut -d'|' -f1 | grep -qw mlflow || createdb -h "$place" mlflow

healthy() { curl -sf "$address/health" > /dev/null; }
healthy && exit
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false  # jobs: ten processes for nothing
setsid nohup mlflow server --host 127.0.0.1 --port 5000 --workers 2 \
  --backend-store-uri "postgresql+psycopg2:///mlflow?host=$place" \
  --artifacts-destination "${XRT_RESULTS:-$place}/mlartifacts" >> "$place/mlflow.log" 2>&1 < /dev/null &
server=$!
while kill -0 "$server" 2> /dev/null; do
  healthy && exit
  sleep 1
done
echo "MLflow has not started; see $place/mlflow.log" >&2
exit 1
