#!/bin/sh
# The programs that benches/python/logs_cases.py measures beside ours, from Debian's packages where that is allowed here.
# One that cannot be had is told as missing, and its rows are left out.
set -u

root=
[ "$(id -u)" = 0 ] || root="sudo -n"
if command -v apt-get >/dev/null; then
    $root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends goaccess ripgrep zstd \
        >/dev/null || true
fi
for program in goaccess rg gzip zstd; do
    command -v "$program" || echo "$program: missing"
done
