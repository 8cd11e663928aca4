#!/usr/bin/env bash
# crate.sh install NAME VERSION DIR FEATURES [DEPENDENCY=VERSION…]    fetches a published crate into DIR/NAME and builds its tests
# crate.sh run NAME DIR FEATURES                                       runs them
#
# Cargo fetches the crate and checks its checksum. Its own Cargo.lock holds, but for the dependencies that are named. Suites share
# DIR/../cargo, where they are built without debug information.
set -euo pipefail
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0

tests() { # DIR NAME FEATURES ARGUMENT…
    local directory=$1/$2 features=$3
    export CARGO_TARGET_DIR=$1/../cargo
    shift 3
    cd "$directory"
    cargo test --locked --test '*' --features "$features" "$@" 2>&1
}

case $1 in
install)
    name=$2 version=$3 directory=$4 features=$5
    shift 5
    if [ ! -e "$directory/.unpacked" ]; then
        rm -rf "$directory/fetch" "${directory:?}/$name"
        mkdir -p "$directory/fetch/src"
        touch "$directory/fetch/src/lib.rs"
        printf '[package]\nname = "fetch"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' "$name" "$version" \
            >"$directory/fetch/Cargo.toml"
        cargo fetch --quiet --manifest-path "$directory/fetch/Cargo.toml"
        cp -rp "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name-$version" "$directory/$name"
        # It is nobody's member, and built by the toolchain that is in use.
        printf '\n[workspace]\n' >>"$directory/$name/Cargo.toml"
        rm -f "$directory/$name/rust-toolchain.toml"
        for pin in "$@"; do
            cargo update --quiet --manifest-path "$directory/$name/Cargo.toml" "${pin%%=*}" --precise "${pin#*=}"
        done
        touch "$directory/.unpacked"
    fi
    # Warnings of somebody else's crate are for nobody here.
    tests "$directory" "$name" "$features" --no-run >"$directory/build.log" || {
        cat "$directory/build.log"
        exit 1
    }
    ;;
run)
    tests "$3" "$2" "$4" --no-fail-fast -- --test-threads 4
    ;;
esac
