#!/bin/sh
# Builds what the target `object` begins with.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/object
for dwarf in 4 5; do
    for optimize in 0 2; do
        rustc +nightly --edition 2024 --crate-type cdylib -Cpanic=abort -Cdebuginfo=2 -Copt-level=$optimize -Cdwarf-version=$dwarf \
            -Clink-arg=-nostdlib -Clink-arg=-nostartfiles -o "corpus/object/dwarf$dwarf-$optimize.so" tiny.rs
        objcopy --compress-debug-sections=zlib "corpus/object/dwarf$dwarf-$optimize.so" "corpus/object/zlib$dwarf-$optimize.so"
    done
done
