#!/usr/bin/env bash
# Proves the aarch64 container image and the Lambda archive: what is in them, and that the binary keeps both
# contracts, run under qemu-user from the unpacked image (read-only, as its own user, in a network of its own).
#   tests/image/run.sh            the release build; sizes are held
#   tests/image/run.sh --quick    the dev build, which takes minutes less; sizes are not held
# Needs root on Linux: it unpacks and mounts what a container engine would.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
  '') profile=dist sizes=(--sizes) ;;
  --quick) profile=dev sizes=() ;;
  *) echo "unknown: $1 (known: --quick)" >&2; exit 1 ;;
esac
scripts/need rust python cross image aarch64
began=$SECONDS
binary=$(scripts/cross --target aarch64 --profile "$profile")
echo "image: built after $((SECONDS - began)) s" >&2

archive=$(scripts/image "$binary")
first=$(cat "$(dirname "$archive")/digest")
archive=$(scripts/image "$binary")
[ "$first" = "$(cat "$(dirname "$archive")/digest")" ] || { echo "image: two images of one binary differ" >&2; exit 1; }
function=$(scripts/lambda --target aarch64 "$binary")
checksum=$(sha256sum "$function")
function=$(scripts/lambda --target aarch64 "$binary")
[ "$checksum" = "$(sha256sum "$function")" ] || { echo "image: two archives of one binary differ" >&2; exit 1; }

if [ -z "${MAGI_EMULATOR_BIN:-}" ]; then
  cargo build --locked --package magi-emulator
  MAGI_EMULATOR_BIN=$(cd "${CARGO_TARGET_DIR:-target}" && pwd -P)/debug/magi-emulator
fi
export MAGI_EMULATOR_BIN PYTHONDONTWRITEBYTECODE=1
exec timeout --signal=INT 600 unshare --mount --net \
  python3 tests/image/contract.py --image "$archive" --function "$function" "${sizes[@]}"
