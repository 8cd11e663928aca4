//! The gate from its arguments to its findings.

use std::collections::BTreeSet;

use anyhow::Context;

use super::calls::CALLS;
use super::fixture::{self, Member, Said, What};
use super::{list, roots};
use crate::flags::LintGate;

/// The lists: that of the whole workspace, and those of crates that disallow more. A crate's list replaces the workspace's
/// for that crate, so it must have all of it.
const LISTS: [(&str, &str); 2] = [("clippy.toml", "workspace_list"), ("kfake/clippy.toml", "kfake_list")];

/// Runs it, and gives the exit code.
pub fn run(options: LintGate) -> anyhow::Result<u8> {
    let root = options.root.unwrap_or_else(|| crate::workspace_root().to_owned());
    let directory = root.join("target").join("lint-gate");
    let target_dir = options.target_dir.unwrap_or_else(|| directory.join("target"));

    let mut findings = Vec::new();
    for root in roots::without_the_lint(&root)? {
        findings.push(format!("{root}: does not deny the lint: add {}", roots::LINE));
    }
    findings.extend(roots::other_exceptions(&root)?);
    let mut lists = Vec::new();
    for (path, name) in LISTS {
        let list = list::read(&root.join(path))?;
        lists.push((path, name, list));
    }
    findings.extend(of_the_lists(&lists));

    let members: Vec<_> = lists
        .iter()
        .map(|(path, name, list)| (Member::of(name, list), root.join(path)))
        .collect();
    let said = fixture::clippy(&root, &directory, &target_dir, &members).context("cannot try the lists")?;
    let mut calls = 0;
    for (((member, _), (path, ..)), said) in members.iter().zip(&lists).zip(&said) {
        calls += member.calls().count();
        findings.extend(
            of_a_member(member, said)
                .into_iter()
                .map(|finding| format!("{path}: {finding}")),
        );
    }

    for finding in &findings {
        println!("{finding}");
    }
    let paths = lists.iter().flat_map(|(.., list)| list).collect::<BTreeSet<_>>().len();
    println!(
        "lint-gate: {paths} disallowed paths in {} lists, {calls} calls tried, {} crate roots, {} findings",
        lists.len(),
        roots::ROOTS.len(),
        findings.len()
    );
    Ok(u8::from(!findings.is_empty()))
}

/// What is wrong with the lists themselves, and with the table of calls.
fn of_the_lists(lists: &[(&str, &str, Vec<String>)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, _, list) in lists {
        let mut seen = BTreeSet::new();
        for path in list {
            if !seen.insert(path) {
                findings.push(format!("{file}: {path} is listed twice"));
            }
            if !CALLS.iter().any(|call| call.path == path) {
                findings.push(format!(
                    "{file}: {path} is never tried: add a call of it to the table of calls"
                ));
            }
        }
        if let Some((first, _, workspace)) = lists.first() {
            let missing = workspace.iter().filter(|path| !list.contains(path));
            findings.extend(missing.map(|path| format!("{file}: {path} is missing, which {first} lists")));
        }
    }
    let unlisted = CALLS
        .iter()
        .filter(|call| !lists.iter().any(|(.., list)| list.iter().any(|path| path == call.path)));
    findings.extend(unlisted.map(|call| format!("{} is in the table of calls, and no list has it", call.path)));
    findings
}

/// Each call is reported once, by the path that the list has, and nothing else is.
fn of_a_member(member: &Member, said: &[Said]) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, call) in member.calls() {
        let times = said
            .iter()
            .filter(|said| said.line == line && matches!(&said.what, What::Disallowed(path) if path == call.path))
            .count();
        if times != 1 {
            findings.push(format!(
                "{} is reported {times} times where it is called as `{}`",
                call.path, call.code
            ));
        }
    }
    for said in said {
        let expected = member
            .calls()
            .any(|(line, call)| line == said.line && matches!(&said.what, What::Disallowed(path) if path == call.path));
        if !expected {
            findings.push(match &said.what {
                What::Disallowed(path) => {
                    format!("{path} is reported where another path or none is called")
                }
                What::Other(message) => format!("clippy says: {message}"),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member::of("list", &["tokio::spawn".to_owned()])
    }

    /// What clippy says of that member when the lint works.
    fn reported(member: &Member) -> Vec<Said> {
        member
            .calls()
            .map(|(line, call)| Said {
                line,
                what: What::Disallowed(call.path.to_owned()),
            })
            .collect()
    }

    fn lists(workspace: &[&str], kfake: &[&str]) -> Vec<String> {
        let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        of_the_lists(&[
            ("clippy.toml", "", list(workspace)),
            ("kfake/clippy.toml", "", list(kfake)),
        ])
    }

    fn all() -> Vec<&'static str> {
        CALLS
            .iter()
            .map(|call| call.path)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn every_call_reported_once_is_no_finding() {
        let member = member();

        assert_eq!(of_a_member(&member, &reported(&member)), Vec::<String>::new());
        assert_eq!(member.calls().count(), 2, "tokio::spawn and tokio::task::spawn");
    }

    #[test]
    fn a_call_that_clippy_overlooks_is_found() {
        let member = member();
        let mut said = reported(&member);
        said.pop();

        let findings = of_a_member(&member, &said);

        assert_eq!(
            findings,
            ["tokio::spawn is reported 0 times where it is called as `tokio::task::spawn(async {})`"]
        );
    }

    #[test]
    fn a_call_that_clippy_reports_by_another_path_is_found() {
        let member = member();
        let mut said = reported(&member);
        said[0].what = What::Disallowed("tokio::task::spawn_local".to_owned());

        assert_eq!(of_a_member(&member, &said).len(), 2);
    }

    #[test]
    fn whatever_else_clippy_says_is_found() {
        let member = member();
        let mut said = reported(&member);
        said.push(Said {
            line: 0,
            what: What::Other("error: cannot read the configuration".to_owned()),
        });

        assert_eq!(
            of_a_member(&member, &said),
            ["clippy says: error: cannot read the configuration"]
        );
    }

    #[test]
    fn lists_that_fit_each_other_and_the_table_are_no_finding() {
        assert_eq!(lists(&all()[1..], &all()), Vec::<String>::new());
    }

    #[test]
    fn a_path_that_is_never_tried_is_found() {
        let with = |path| [all(), vec![path]].concat();

        let findings = lists(&all(), &with("tokio::task::spwan"));

        assert_eq!(
            findings,
            ["kfake/clippy.toml: tokio::task::spwan is never tried: add a call of it to the table of calls"]
        );
    }

    #[test]
    fn a_path_that_a_crate_forgot_is_found() {
        let findings = lists(&["tokio::spawn"], &[]);

        assert!(findings.contains(&"kfake/clippy.toml: tokio::spawn is missing, which clippy.toml lists".to_owned()));
    }

    #[test]
    fn a_call_that_no_list_has_any_more_is_found() {
        let findings = lists(&[], &all()[1..]);

        assert_eq!(
            findings,
            [format!("{} is in the table of calls, and no list has it", all()[0])]
        );
    }

    #[test]
    fn a_path_that_is_listed_twice_is_found() {
        let findings = lists(&["tokio::spawn", "tokio::spawn"], &all());

        assert_eq!(findings, ["clippy.toml: tokio::spawn is listed twice"]);
    }
}
