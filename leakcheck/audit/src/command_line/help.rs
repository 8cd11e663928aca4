//! What `--help` prints: all options of all subcommands.

/// What `--help` prints.
pub const HELP: &str = "\
Finds every tokio task that a project's tests leave behind, with no change to its code.

Usage: cargo leak-audit [OPTIONS] [-- TEST FILTERS AND ARGUMENTS]
       cargo leak-audit --bin NAME [--for 10s | --until TEXT] [-- ARGUMENTS]
       cargo leak-audit exec [OPTIONS] -- ANY COMMAND
       cargo leak-audit merge [OPTIONS] REPORT.json…
       cargo leak-audit scan --help

Builds the tests, runs them with a library preloaded that sees tasks come and go, and reads what leakcheck reports, where
they use it. Before that it looks at a program that leaks on purpose, and refuses to judge where that is not seen. Linux on
x86_64 and aarch64, and macOS, untested on hardware; elsewhere it says so, and judges by what leakcheck reports alone.

What is run, as cargo takes it:
  -p, --package NAME      this package alone; may be given several times  [the whole workspace]
  --exclude NAME          not this package
  --lib, --bins, --examples, --test NAME, --doc
                          these tests alone  [all but doc tests]
  --features LIST, --all-features, --no-default-features
  --profile NAME, --release
  --manifest-path FILE    the workspace of this Cargo.toml  [the current directory's]
  --target-dir DIR        build in this directory
  --bin NAME              run this program instead, stop it by SIGINT, and judge it
  --for DURATION          how long it runs: 500ms, 10s, 2m  [10s]
  --until TEXT            until a line that it prints contains this, and no longer than --for
  --shard INDEX/COUNT     a part of the tests, from 1/COUNT: always the same tests. merge judges all parts as one
  --runner libtest|nextest
                          nextest: by cargo nextest run, a process a test. What follows -- is then nextest's  [libtest]
  --no-observe            preload nothing: judge by what leakcheck reports alone
  --scan                  read the source too, as leak-audit scan does, and tell which leaks confirm what it suspects

What is accepted:
  --baseline FILE         what this file lists, each with its reason  [leak-audit.toml beside the workspace's Cargo.toml]
  --update-baseline       write what is new into it, and take out what no longer occurs; comments stay
  --reason TEXT           the reason of what is new. Without it an entry has none, and is refused until somebody writes one
  --deny-third-party      what dependencies left behind counts as a leak too

What is printed:
  --format FORMAT[=FILE]  text, json, junit, sarif, github, markdown; may be given several times  [text]
  --output FILE           write it there instead of to stdout
  --html FILE             one page with a flame graph and a timeline
  --by-test, --by-site    a row for every test, and for every line that spawned
  --color auto|always|never
  -q, --quiet             nothing of how far it is and of what cargo and the tests print, which otherwise goes to stderr
  -h, --help
  -V, --version

Exit codes:
  0  clean: no task outlived its test, or each that did is accepted
  1  a leak, whatever else went wrong; a tracked task that panicked unseen; an entry of the baseline that no longer occurs
     (told only where everything was run)
  2  could not judge: the tests do not build or did not run, a test failed (what it would have left behind is not known), a
     program could not be observed, the program that leaks on purpose was not seen, wrong arguments, an interruption
     (Ctrl-C or SIGTERM ends what was started, a second one kills it)

A leak counts however its test ended. Debug info with types shows where tasks wait: cargo's dev profile has it unless
Cargo.toml says otherwise.
";
