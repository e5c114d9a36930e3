#!/usr/bin/env bash
# On every machine of a cluster: the pinned packages in ~/xrt-venv, and the environment of all that Ray starts there.
# Usage: node.sh NAME=VALUE...   (the cluster files call it; safe to run again, quick when the pins are the same)
set -euo pipefail
cd ~/xrt

# first, because the rest takes minutes
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "$(hostname): $(python3 --version) is too old, 3.11 is needed: take an image of Ubuntu 24.04 (docs/machines/aws.md)" >&2
  exit 1
}

{ echo 'export PATH=~/xrt-venv/bin:$PATH'; printf 'export %q\n' "$@"; } > ~/.xrt-env
grep -qxF '. ~/.xrt-env' ~/.bashrc || echo '. ~/.xrt-env' >> ~/.bashrc

cmp -s constraints.txt ~/.xrt-pins && exit
python3 -m venv ~/xrt-venv
~/xrt-venv/bin/pip install --quiet --constraint constraints.txt --editable '.[cluster]'
cp constraints.txt ~/.xrt-pins  # last, so that an incomplete install is repeated
