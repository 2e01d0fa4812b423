#!/usr/bin/env bash
# Checks Rust, the C compiler that links for it, and the cargo subcommands given (`clippy`, `fmt`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rustup_hint="get it from https://rustup.rs, then: rustup update stable"

missing() {
    printf 'missing: %s\n' "$1" >&2
    shift
    printf '  %s\n' "$@" >&2
    exit 1
}

wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
if ! said=$(cargo --version 2>&1 && rustc --version 2>&1); then
    missing "Rust $wanted or newer (cargo and rustc)" "${said//$'\n'/ }" "$rustup_hint"
fi
has=$(rustc --version | cut -d ' ' -f 2)
IFS=. read -r wanted_major wanted_minor _ <<<"$wanted"
IFS=. read -r has_major has_minor _ <<<"$has"
if ((has_major < wanted_major || (has_major == wanted_major && has_minor < wanted_minor))); then
    missing "Rust $wanted or newer" "\`rustc\` is $has" "$rustup_hint"
fi

# Windows links with the tools of Visual Studio, which rustc finds by itself and names when it does not.
if [[ ${OS:-} != Windows_NT ]] && ! said=$(cc --version 2>&1); then
    missing "a C compiler named \`cc\`, which Rust links with" "${said//$'\n'/ }" \
        "get it with: apt-get install build-essential, dnf install gcc, apk add build-base, xcode-select --install"
fi

for subcommand in "$@"; do
    if ! cargo "$subcommand" --version >/dev/null 2>&1; then
        missing "cargo $subcommand" "get it with: rustup component add clippy rustfmt"
    fi
done
