#!/usr/bin/env bash
# Installs Chromium for the tests of the report where that may be done: Debian, as root. Else says why it cannot.
set -euo pipefail

if command -v chromium >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "chromium: there is no apt-get here to install it with" >&2
    exit 1
fi
if [[ $(id -u) != 0 ]]; then
    echo "chromium: only root may install it (apt-get install chromium fonts-dejavu-core)" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
if ! said=$(apt-get update 2>&1 && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core 2>&1); then
    echo "chromium: cannot be installed: $(tail -n 1 <<<"$said")" >&2
    exit 1
fi
