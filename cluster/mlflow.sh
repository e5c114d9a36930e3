#!/usr/bin/env bash
# On the head: MLflow's server, with PostgreSQL as its store and its artifacts beside the results. Safe to run again.
# PostgreSQL runs as this user and listens on a socket in ~/xrt-mlflow only, so it needs no password. MLflow listens on
# loopback only, which other accounts of the head reach too, so it has a password, in the file where MLflow's clients
# look for it. `python -m xrt.study ui --cluster FILE` opens a tunnel and prints it.
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
for database in mlflow mlflow_users; do
  psql -h "$place" -lqt postgres | cut -d'|' -f1 | grep -q "^ *$database *$" || createdb -h "$place" "$database"
done

umask 077
login=~/.mlflow/credentials
mkdir -p ~/.mlflow
[ -s "$login" ] || printf '[mlflow]\nmlflow_tracking_username = xrt\nmlflow_tracking_password = %s\n' \
  "$(python -c 'import secrets; print(secrets.token_urlsafe(18))')" > "$login"
cat > "$place/login.ini" << INI
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = postgresql+psycopg2:///mlflow_users?host=$place
admin_username = xrt
admin_password = $(sed -n 's/^mlflow_tracking_password = //p' "$login")
auth_cache_ttl_seconds = 3600
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI

healthy() { curl -sf "$address/health" > /dev/null; }
healthy && exit
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false  # jobs: ten unused processes
export MLFLOW_AUTH_CONFIG_PATH=$place/login.ini
MLFLOW_FLASK_SERVER_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(32))')
export MLFLOW_FLASK_SERVER_SECRET_KEY
setsid nohup mlflow server --app-name basic-auth --host 127.0.0.1 --port 5000 --workers 2 \
  --backend-store-uri "postgresql+psycopg2:///mlflow?host=$place" \
  --artifacts-destination "${XRT_RESULTS:-$place}/mlartifacts" >> "$place/mlflow.log" 2>&1 < /dev/null &
server=$!
while kill -0 "$server" 2> /dev/null; do
  healthy && exit
  sleep 1
done
echo "MLflow has not started; see $place/mlflow.log" >&2
exit 1
