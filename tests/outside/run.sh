#!/usr/bin/env bash
# Proves our wires against other people's clients and servers. Needs Rust, Python 3, Node.js and the package
# registries; needs no account. Everything it installs stays under the build directory.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Whole: some of the programs are started in folders of their own.
build=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
room=$build/outside
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
export PYTHONDONTWRITEBYTECODE=1

began=$SECONDS
wanted=$(cat tests/outside/requirements.txt tests/outside/constraints.txt | cksum)
if [ "$(cat "$room/installed" 2>/dev/null)" != "$wanted" ]; then
  echo "outside: installing the outside clients and servers (about 600 MB, a minute or two)" >&2
  rm -rf "$room"
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    --requirement tests/outside/requirements.txt --constraint tests/outside/constraints.txt
  printf '%s\n' "$wanted" >"$room/installed"
fi
wanted=$(cat tests/outside/ws/package-lock.json tests/outside/ws/client.mjs | cksum)
if [ "$(cat "$room/ws/installed" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$room/ws"
  cp -r tests/outside/ws "$room/ws"
  npm --prefix "$room/ws" ci --no-audit --no-fund --loglevel error >&2
  printf '%s\n' "$wanted" >"$room/ws/installed"
fi
echo "outside: installed after $((SECONDS - began)) s" >&2

cargo test --locked --workspace --no-run
echo "outside: built after $((SECONDS - began)) s" >&2

export MAGI_BIN=$build/debug/magi MAGI_EMULATOR_BIN=$build/debug/magi-emulator
export MAGI_WS_CLIENT=$room/ws/client.mjs
exec timeout --signal=INT 1500 "$room/venv/bin/python" -m pytest -p no:cacheprovider \
  --durations=5 tests/outside "$@"
