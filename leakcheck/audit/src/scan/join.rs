//! What was read, joined with what was observed.

use std::collections::BTreeSet;

use crate::report::{Await, Finding, Place, Report, Suspect};

/// Says of each suspect in a report which findings confirm it, and whether a test reached it.
///
/// A finding confirms a suspect where it waits in the suspect's function, or was spawned at the suspect's own line or at the line
/// that spawns what the suspect is about. A suspect was reached where an observed spawn went through its function or through the
/// line that spawns it; where no program was run, that is not known.
pub fn join(report: &mut Report) {
    let observed = !report.programs.is_empty();
    for suspect in &mut report.suspects {
        let confirming: BTreeSet<&str> = report
            .findings
            .iter()
            .filter(|finding| confirms(finding, suspect))
            .map(|finding| finding.id.as_str())
            .collect();
        suspect.confirmed_by = confirming.into_iter().map(ToOwned::to_owned).collect();
        suspect.reached = observed.then(|| {
            !suspect.confirmed_by.is_empty()
                || report.sites.iter().any(|site| passes(&site.spawned, suspect))
                || report.findings.iter().any(|finding| passes(&finding.spawned, suspect))
        });
    }
}

fn confirms(finding: &Finding, suspect: &Suspect) -> bool {
    let spawned = finding.spawned.first();
    let at_its_line = spawned.is_some_and(|place| is_line(place, &suspect.at));
    let waits_there = finding
        .awaits
        .as_ref()
        .is_some_and(|awaits| waits_in(awaits, &suspect.at));
    // Many tasks may be spawned by that line: where it is known where this one waits, that decides.
    let by_its_spawn = finding.awaits.is_none()
        && suspect
            .spawned_at
            .as_ref()
            .is_some_and(|line| spawned.is_some_and(|place| is_line(place, line)));
    at_its_line || waits_there || by_its_spawn
}

fn waits_in(awaits: &Await, place: &Place) -> bool {
    awaits.at.as_ref().is_some_and(|at| is_line(at, place))
        || is_function(&awaits.future, &place.function)
        || awaits.awaits.iter().any(|inner| waits_in(inner, place))
}

fn passes(spawned: &[Place], suspect: &Suspect) -> bool {
    spawned.iter().any(|place| {
        is_function(&place.function, &suspect.at.function)
            || suspect.spawned_at.as_ref().is_some_and(|line| is_line(place, line))
    })
}

/// Whether both are the same line. One path may be told from further up than the other.
fn is_line(one: &Place, other: &Place) -> bool {
    let (Some(file), Some(line), Some(other_file), Some(other_line)) = (&one.file, one.line, &other.file, other.line)
    else {
        return false;
    };
    line == other_line && (ends_with(file, other_file) || ends_with(other_file, file))
}

fn ends_with(long: &str, short: &str) -> bool {
    let long: Vec<&str> = long.split(['/', '\\']).collect();
    let short: Vec<&str> = short.split(['/', '\\']).collect();
    !short.is_empty() && long.ends_with(&short)
}

/// Whether both are the same function: `<shop::server::Server<T>>::run::{async block}` is `shop::server::Server::run`.
fn is_function(observed: &str, scanned: &str) -> bool {
    !scanned.is_empty() && plain(observed) == plain(scanned)
}

/// A function's path without generics and without what is within it.
fn plain(function: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    let mut characters = function.chars().peekable();
    // `<Type>::method` is `Type::method`; `<Type as Trait>::method` too.
    let qualified = function.starts_with('<');
    let mut first = qualified;
    while let Some(character) = characters.next() {
        match character {
            '<' if first => first = false,
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            '>' => {}
            ' ' if depth == 0 && qualified => {
                // ` as Trait>`
                let mut open = 0_usize;
                for skipped in characters.by_ref() {
                    match skipped {
                        '<' => open += 1,
                        '>' if open == 0 => break,
                        '>' => open -= 1,
                        _ => {}
                    }
                }
            }
            _ if depth == 0 => out.push(character),
            _ => {}
        }
    }
    let names: Vec<&str> = out
        .split("::")
        .filter(|name| !name.is_empty() && !name.starts_with('{'))
        .collect();
    names.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Program, SpawnSite};

    fn place(function: &str, file: &str, line: u32) -> Place {
        Place {
            function: function.to_owned(),
            file: Some(file.to_owned()),
            line: Some(line),
        }
    }

    fn suspect(at: Place, spawned_at: Option<Place>) -> Suspect {
        Suspect {
            rule: "select-without-exit".to_owned(),
            at,
            spawned_at,
            ..Suspect::default()
        }
    }

    fn finding(id: &str, spawned: Place, awaits: Option<Await>) -> Finding {
        Finding {
            id: id.to_owned(),
            spawned: vec![spawned],
            awaits,
            ..Finding::default()
        }
    }

    fn joined(suspects: Vec<Suspect>, findings: Vec<Finding>, sites: Vec<SpawnSite>) -> Vec<Suspect> {
        let mut report = Report {
            suspects,
            findings,
            sites,
            programs: vec![Program::default()],
            ..Report::default()
        };
        join(&mut report);
        report.suspects
    }

    #[test]
    fn a_task_that_waits_in_the_function_confirms() {
        let waits = Await {
            future: "shop::server::start::{async block}".to_owned(),
            awaits: vec![Await {
                future: "<shop::server::Server<T>>::run".to_owned(),
                ..Await::default()
            }],
            ..Await::default()
        };
        let suspects = joined(
            vec![
                suspect(place("shop::server::Server::run", "src/server.rs", 12), None),
                suspect(place("shop::server::Server::stop", "src/server.rs", 30), None),
            ],
            vec![finding(
                "aa",
                place("shop::server::start", "src/server.rs", 5),
                Some(waits),
            )],
            Vec::new(),
        );
        assert_eq!(suspects[0].confirmed_by, ["aa"]);
        assert_eq!(suspects[0].reached, Some(true));
        assert!(suspects[1].confirmed_by.is_empty());
        assert_eq!(suspects[1].reached, Some(false));
    }

    #[test]
    fn a_task_spawned_at_the_line_confirms_unless_it_is_known_to_wait_elsewhere() {
        let spawn = place("shop::start", "shop/src/lib.rs", 7);
        let elsewhere = Await {
            future: "shop::other".to_owned(),
            ..Await::default()
        };
        let suspects = joined(
            vec![suspect(
                place("shop::run", "shop/src/run.rs", 3),
                Some(place("shop::start", "src/lib.rs", 7)),
            )],
            vec![
                finding("aa", spawn.clone(), None),
                finding("bb", spawn.clone(), Some(elsewhere)),
                finding("cc", place("shop::start", "shop/src/lib.rs", 8), None),
            ],
            Vec::new(),
        );
        assert_eq!(suspects[0].confirmed_by, ["aa"]);
    }

    #[test]
    fn a_spawn_that_ended_reached_it_and_confirms_nothing() {
        let site = SpawnSite {
            spawned: vec![place("tokio::spawn", "x.rs", 1), place("shop::start", "src/lib.rs", 7)],
            ..SpawnSite::default()
        };
        let suspects = joined(
            vec![suspect(
                place("shop::run", "src/run.rs", 3),
                Some(place("shop::start", "src/lib.rs", 7)),
            )],
            Vec::new(),
            vec![site],
        );
        assert_eq!((suspects[0].reached, suspects[0].confirmed_by.len()), (Some(true), 0));
    }

    #[test]
    fn without_a_run_nothing_is_said_of_what_was_reached() {
        let mut report = Report {
            suspects: vec![suspect(place("shop::run", "src/run.rs", 3), None)],
            ..Report::default()
        };
        join(&mut report);
        assert_eq!(report.suspects[0].reached, None);
    }

    #[test]
    fn functions_are_compared_without_generics_and_inner_blocks() {
        assert_eq!(
            plain("<shop::Server<T> as shop::Run<U>>::run::{async block}"),
            "shop::Server::run"
        );
        assert_eq!(plain("shop::Server<A, B<C>>::run"), "shop::Server::run");
        assert_eq!(plain("shop::run::{closure#0}"), "shop::run");
    }
}
