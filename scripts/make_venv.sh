#!/usr/bin/env bash
# Makes .venv with the newest Python found, or with $PYTHON, and says what is missing where there is none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=$(sed -n 's/^requires-python = ">=\([0-9.]*\)".*/\1/p' pyproject.toml)
version='import sys; print("%d.%d" % sys.version_info[:2])'
recent="import sys; sys.exit(sys.version_info[:2] < (${wanted/./, }))"
found=()

for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
    # A name on the path proves nothing: it may be the shim of a version manager with nothing behind it.
    has=$("$candidate" -c "$version" 2>/dev/null) || continue
    if ! "$candidate" -c "$recent"; then
        found+=("\`$candidate\` is Python $has")
    elif ! "$candidate" -c "import ensurepip, venv" 2>/dev/null; then
        found+=("\`$candidate\` is Python $has without its venv module (Debian, Ubuntu: apt-get install python3-venv)")
    else
        echo "making .venv with $candidate (Python $has)"
        exec "$candidate" -m venv .venv
    fi
done

{
    echo "missing: Python $wanted or newer with its venv module"
    for line in "${found[@]+"${found[@]}"}"; do
        echo "  $line"
    done
    echo "  get it from https://www.python.org/downloads/, or: apt-get install python3 python3-venv, brew install python"
    echo "  one that is not on the path is named by: make PYTHON=/path/to/python3"
} >&2
exit 1
