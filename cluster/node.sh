#!/usr/bin/env bash
# On every machine of a cluster: the pinned packages in ~/xrt-venv, and an environment for all that Ray starts there.
# Usage: node.sh NAME=VALUE...   (the cluster files call it; safe to run again, quick when the pins are the same)
set -euo pipefail
cd ~/xrt

{ echo 'export PATH=~/xrt-venv/bin:$PATH'; printf 'export %q\n' "$@"; } > ~/.xrt-env
grep -qxF '. ~/.xrt-env' ~/.bashrc || echo '. ~/.xrt-env' >> ~/.bashrc

cmp -s constraints.txt ~/.xrt-pins && exit
python3 -m venv ~/xrt-venv
~/xrt-venv/bin/pip install --quiet --constraint constraints.txt --editable '.[cluster]'
cp constraints.txt ~/.xrt-pins  # last: a half-done install is done again
