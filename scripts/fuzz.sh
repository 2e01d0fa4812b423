#!/usr/bin/env bash
# Runs each fuzz target for so many seconds: fuzz.sh [--may-skip] SECONDS
#
# --may-skip: where the tools cannot be had, say why and succeed. In CI (CI=true) the nightly toolchain is
# installed first, and a missing cargo-fuzz is a failure there: only the toolchain may truly be out of reach.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

may_skip=false
if [[ ${1:-} == --may-skip ]]; then
    may_skip=true
    shift
fi
seconds=${1:?how many seconds for each target}
cargo_fuzz_version=0.13.2

unavailable() { # may be skipped?, reason
    if $1; then
        echo "fuzz: skipped: $2" >&2
        exit 0
    fi
    echo "fuzz: cannot run: $2" >&2
    exit 1
}

# libFuzzer's instrumentation is behind -Z flags, hence nightly.
if ! said=$(cargo +nightly --version 2>&1); then
    if [[ ${CI:-} == true ]] && command -v rustup >/dev/null; then
        said=$(rustup toolchain install nightly --profile minimal 2>&1) || true
    fi
    if ! cargo +nightly --version >/dev/null 2>&1; then
        unavailable $may_skip "no nightly Rust (rustup toolchain install nightly): $(tail -n 1 <<<"$said")"
    fi
fi

export PATH="$PWD/target/tools/bin:$PATH"
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz $cargo_fuzz_version into target/tools"
    if ! cargo install cargo-fuzz --version "$cargo_fuzz_version" --locked --root target/tools; then
        [[ ${CI:-} == true ]] && may_skip=false
        unavailable $may_skip "cargo-fuzz cannot be installed (cargo install cargo-fuzz)"
    fi
fi

targets=$(cargo +nightly fuzz list --fuzz-dir rust/fuzz)
for target in $targets; do
    echo "fuzz: $target for $seconds s"
    corpora=("rust/fuzz/corpus/$target")
    mkdir -p "${corpora[0]}"
    if [[ -d rust/fuzz/seeds/$target ]]; then
        corpora+=("rust/fuzz/seeds/$target") # read only: new inputs go to the first folder
    fi
    cargo +nightly fuzz run --fuzz-dir rust/fuzz "$target" "${corpora[@]}" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
