#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# venv.sh DIRECTORY REQUIREMENTS [FILE…]: a Python virtual environment with just what the first file asks for. It is made
# again when one of the files or the interpreter changes, and left alone otherwise. PYTHON is the interpreter, where one is as
# good as another only to whoever runs tests: a box sees the system's, and none below somebody's home.
set -euo pipefail

directory=$1
requirements=$2
shift

python=
for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "make: error: the client suites need ${PYTHON:-Python} 3.11 or later, with venv" >&2
    exit 1
fi

state=$(cat "$@" <("$python" -c 'import sys; print(sys.version, sys.base_prefix)') | sha256sum | cut -d' ' -f1)
if [ "$(cat "$directory/.state" 2>/dev/null || true)" = "$state" ] && "$directory/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
echo "make: installing $requirements into $directory"
rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
echo "$state" >"$directory/.state"
