//! The page of the documentation.

use std::fmt::Write;

use super::output::Report;
use super::suite::{Expected, Listed, Suite};
use super::verdict::Against;

/// Where the page is, from the workspace's root.
pub const PATH: &str = "kfake/docs/suites.md";

const HEAD: &str = "\
# Clients' own test suites

Some clients publish their integration tests with their sources, and let an environment variable say where the brokers are.
`cargo xtask interop --suites` fetches the published sources and runs these tests against the `kfake` binary, with `--oracle` also
against Apache Kafka, and `--write-docs` writes this page from that. Suites are described in `tests/interop/suites`. A test that is
not simply to pass is listed there with its reason, for each of the two; whatever comes out otherwise fails the command, also where
it is better than listed.

";

/// The page, of runs that came out as listed.
pub fn page(runs: &[(&Suite, Report)]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(
        page,
        "| suite | version | tests | pass on kfake | pass on Apache Kafka | listed |\n| --- | --- | --- | --- | --- | --- |"
    );
    for (suite, _) in runs {
        let _ = writeln!(page, "{}", summary(suite));
    }
    for (suite, report) in runs {
        let _ = writeln!(page, "\n## {}\n\n{}.\n", suite.label(), suite.about);
        let _ = writeln!(page, "| test | kfake | Apache Kafka | why |\n| --- | --- | --- | --- |");
        for test in report.tests.keys() {
            let _ = writeln!(page, "{}", row(suite, test));
        }
    }
    page
}

/// A suite's row in the first table.
fn summary(suite: &Suite) -> String {
    let pass = |against: fn(&Listed) -> Expected| {
        let not = suite.listed.iter().filter(|listed| against(listed) != Expected::Passed);
        suite.tests - not.map(|listed| listed.tests.len()).sum::<usize>()
    };
    let (name, version, tests) = (&suite.name, &suite.version, suite.tests);
    let (kfake, kafka) = (pass(|listed| listed.kfake), pass(|listed| listed.kafka));
    let listed: usize = suite.listed.iter().map(|listed| listed.tests.len()).sum();
    format!("| {name} | {version} | {tests} | {kfake} | {kafka} | {listed} |")
}

/// A test's row.
fn row(suite: &Suite, test: &str) -> String {
    let of = |against| suite.expected(test, against).word();
    let why = suite.listed(test).map_or("", |listed| &listed.why);
    let test = test.replace('|', "\\|");
    format!("| {test} | {} | {} | {why} |", of(Against::Kfake), of(Against::Kafka))
}

#[cfg(test)]
mod tests {
    use super::super::suite;
    use super::*;

    #[test]
    fn the_documentation_says_what_is_listed() {
        let root = crate::workspace_root();
        let page = std::fs::read_to_string(root.join(PATH)).expect("the page");
        let suites = suite::read(&root.join("tests/interop/suites")).expect("suites");
        let missing = "run `cargo xtask interop --suites --oracle --write-docs`";
        assert!(page.starts_with(HEAD), "{missing}: another head");
        for suite in &suites {
            assert!(page.contains(&summary(suite)), "{missing}: no row {}", summary(suite));
            let heading = format!("\n## {}\n", suite.label());
            let section = page.split(&heading).nth(1).expect(missing);
            let section = section.split("\n## ").next().unwrap_or_default();
            let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
            assert_eq!(rows.len(), suite.tests, "{missing}: {}", suite.label());
            for line in rows {
                let test = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
                assert_eq!(line, row(suite, &test.replace("\\|", "|")), "{missing}");
            }
            for test in suite.listed.iter().flat_map(|listed| &listed.tests) {
                assert!(
                    section.contains(&row(suite, test)),
                    "{missing}: no row {}",
                    row(suite, test)
                );
            }
        }
    }
}
