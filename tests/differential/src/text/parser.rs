//! From a file's text to its scenarios.

use std::collections::BTreeMap;

use super::scanner::{ParseError, Scanner};
use super::scenario::{Action, Condition, Connection, File, Relation, Request, Scenario, Setup, Step, Target};
use crate::schema;

/// Reads a file of scenarios. A scenario of several versions is several scenarios.
///
/// # Errors
///
/// The first line that is none of the format, and why.
pub fn parse_file(name: &str, text: &str) -> Result<File, ParseError> {
    let mut scanner = Scanner::new(name, text);
    let mut file = File {
        name: name.to_owned(),
        setup: Setup {
            brokers: 1,
            shows_brokers: false,
            is_slow: false,
            configs: BTreeMap::new(),
        },
        scenarios: Vec::new(),
    };
    loop {
        scanner.skip(true);
        if scanner.peek().is_none() {
            return Ok(file);
        }
        if scanner.eat("==") {
            scenario(&mut scanner, &mut file)?;
        } else {
            header(&mut scanner, &mut file.setup)?;
        }
    }
}

fn header(scanner: &mut Scanner<'_>, setup: &mut Setup) -> Result<(), ParseError> {
    match scanner.word("brokers, slow, config or ==")? {
        "brokers" => {
            scanner.skip(false);
            setup.brokers = number(scanner, "how many brokers")?;
            scanner.skip(false);
            setup.shows_brokers = scanner.eat("shown");
        }
        "slow" => setup.is_slow = true,
        "config" => {
            scanner.skip(false);
            let (key, value) = setting(scanner)?;
            setup.configs.insert(key, value);
        }
        other => return Err(scanner.error(format!("expected brokers, slow, config or ==, found {other:?}"))),
    }
    end(scanner)
}

fn setting(scanner: &mut Scanner<'_>) -> Result<(String, String), ParseError> {
    let key = scanner.word("a configuration's name")?.to_owned();
    scanner.expect("=")?;
    let value = match scanner.peek() {
        Some('"') => scanner.quoted()?,
        _ => scanner.taken("a value", |c| !c.is_whitespace() && c != '#')?.to_owned(),
    };
    Ok((key, value))
}

/// `== title` or `== title {0..3, 7}`, and the steps below it, of which the first may be `alone`.
fn scenario(scanner: &mut Scanner<'_>, file: &mut File) -> Result<(), ParseError> {
    let line = scanner.line;
    let head = scanner.line_text();
    let (title, versions) = match head.strip_suffix('}').and_then(|head| head.split_once('{')) {
        Some((title, list)) => (title.trim(), Some(versions(scanner, list)?)),
        None => (head, None),
    };
    if title.is_empty() {
        return Err(scanner.error("a scenario needs a title"));
    }
    let body = scanner.mark();
    for version in versions
        .as_deref()
        .map_or(vec![None], |v| v.iter().copied().map(Some).collect())
    {
        // The body is read once for each version.
        scanner.rewind(body);
        let title = match version {
            Some(version) => format!("{title} v{version}"),
            None => title.to_owned(),
        };
        if file.scenarios.iter().any(|s| s.title == title) {
            return Err(scanner.error(format!("the title {title:?} stands twice")));
        }
        scanner.skip(true);
        let alone = scanner.eat("alone\n");
        let steps = steps(scanner, version)?;
        check_stops(scanner, file.setup.brokers, alone, &steps)?;
        if steps.is_empty() {
            return Err(scanner.error(format!("{title:?} has no steps")));
        }
        file.scenarios.push(Scenario {
            title,
            line,
            alone,
            steps,
        });
    }
    Ok(())
}

/// The first broker is the controller, and who runs a scenario asks it.
fn check_stops(scanner: &Scanner<'_>, brokers: usize, alone: bool, steps: &[Step]) -> Result<(), ParseError> {
    for step in steps {
        let (Action::Stop(place) | Action::Start(place)) = step.action else {
            continue;
        };
        if !(2..=brokers).contains(&place) {
            return Err(scanner.error(format!(
                "broker {place} is none of 2 to {brokers}, which can be stopped"
            )));
        }
        if !alone {
            return Err(scanner.error("a scenario that stops a broker has to be alone"));
        }
    }
    Ok(())
}

fn versions(scanner: &Scanner<'_>, list: &str) -> Result<Vec<i16>, ParseError> {
    let wrong = || scanner.error(format!("{{{list}}} is no list of versions like {{0..3, 7}}"));
    let number = |text: &str| text.trim().parse::<i16>().map_err(|_| wrong());
    let mut versions = Vec::new();
    for part in list.split(',') {
        match part.split_once("..") {
            Some((first, last)) => versions.extend(number(first)?..=number(last)?),
            None => versions.push(number(part)?),
        }
    }
    match versions.is_empty() {
        true => Err(wrong()),
        false => Ok(versions),
    }
}

fn steps(scanner: &mut Scanner<'_>, version: Option<i16>) -> Result<Vec<Step>, ParseError> {
    let mut steps = Vec::new();
    loop {
        scanner.skip(true);
        if scanner.peek().is_none() || scanner.starts_with("==") {
            return Ok(steps);
        }
        let wanted = condition(scanner, version)?;
        let line = scanner.line;
        let action = action(scanner, version)?;
        end(scanner)?;
        if wanted {
            steps.push(Step { line, action });
        }
    }
}

/// `[4+]`, `[0..3]`: the step belongs to these versions alone.
fn condition(scanner: &mut Scanner<'_>, version: Option<i16>) -> Result<bool, ParseError> {
    if !scanner.eat("[") {
        return Ok(true);
    }
    let text = scanner.taken("versions", |c| c.is_ascii_digit() || matches!(c, '.' | '+'))?;
    scanner.expect("]")?;
    scanner.skip(false);
    let Some(version) = version else {
        return Err(scanner.error("this scenario has no versions to choose from"));
    };
    let wrong = || scanner.error(format!("[{text}] is not of the form [4+] or [0..3]"));
    let number = |text: &str| text.parse::<i16>().map_err(|_| wrong());
    match (text.strip_suffix('+'), text.split_once("..")) {
        (Some(least), _) => Ok(version >= number(least)?),
        (None, Some((first, last))) => Ok((number(first)?..=number(last)?).contains(&version)),
        (None, None) => Ok(version == number(text)?),
    }
}

fn action(scanner: &mut Scanner<'_>, version: Option<i16>) -> Result<Action, ParseError> {
    let word = scanner.word("a step")?;
    scanner.skip(false);
    match word {
        "topic" => topic(scanner),
        "send" => {
            let label = scanner.word("a label")?.to_owned();
            scanner.skip(false);
            let name = scanner.word("a connection")?;
            Ok(Action::Send(label, request(scanner, name, version)?))
        }
        "receive" => Ok(Action::Receive(scanner.word("a label")?.to_owned())),
        "until" => {
            let path = scanner.path()?.to_owned();
            scanner.skip(false);
            let relation = if scanner.eat("has ") {
                Relation::Has
            } else if scanner.eat("lacks ") {
                Relation::Lacks
            } else {
                scanner.expect("=")?;
                Relation::Is
            };
            let value = scanner.value()?;
            scanner.skip(true);
            let name = scanner.word("a connection")?;
            let condition = Condition { path, relation, value };
            Ok(Action::Until(request(scanner, name, version)?, condition))
        }
        "repeat" => {
            let times = number(scanner, "how many times")?;
            scanner.skip(true);
            let name = scanner.word("a connection")?;
            Ok(Action::Repeat(times, request(scanner, name, version)?))
        }
        "settle" => {
            let name = scanner.word("a connection")?;
            Ok(Action::Settle(request(scanner, name, version)?))
        }
        "let" => {
            let name = scanner.word("a name")?.to_owned();
            scanner.skip(false);
            scanner.expect("=")?;
            scanner.skip(false);
            Ok(Action::Let(name, scanner.path()?.to_owned()))
        }
        "expect" => {
            let path = scanner.path()?.to_owned();
            scanner.skip(false);
            scanner.expect("=")?;
            Ok(Action::Expect(path, scanner.value()?))
        }
        "close" => Ok(Action::Close(scanner.word("a connection")?.to_owned())),
        "silent" => {
            let name = scanner.word("a connection")?;
            Ok(Action::Silent(connection(scanner, name)?))
        }
        "stop" => Ok(Action::Stop(number(scanner, "a broker")?)),
        "start" => Ok(Action::Start(number(scanner, "a broker")?)),
        "raw" | "part" => {
            let name = scanner.word("a connection")?;
            let on = connection(scanner, name)?;
            scanner.expect(":")?;
            let bytes = scanner.value()?;
            Ok(match word {
                "raw" => Action::Raw(on, bytes),
                _ => Action::Part(on, bytes),
            })
        }
        name => Ok(Action::Ask(request(scanner, name, version)?)),
    }
}

/// `topic NAME [PARTITIONS [REPLICAS]] [KEY=VALUE]…`
fn topic(scanner: &mut Scanner<'_>) -> Result<Action, ParseError> {
    let name = scanner.word("a topic")?.to_owned();
    let mut numbers = Vec::new();
    let mut configs = Vec::new();
    loop {
        scanner.skip(false);
        match scanner.peek() {
            Some(c) if c.is_ascii_digit() && configs.is_empty() => numbers.push(number(scanner, "a number")?),
            Some(c) if c != '\n' => configs.push(setting(scanner)?),
            _ => break,
        }
    }
    if numbers.len() > 2 {
        return Err(scanner.error("a topic has two numbers: partitions and replicas"));
    }
    Ok(Action::Topic {
        name,
        partitions: numbers.first().copied().unwrap_or(1),
        replicas: numbers.get(1).copied().unwrap_or(1),
        configs,
    })
}

fn request(scanner: &mut Scanner<'_>, name: &str, version: Option<i16>) -> Result<Request, ParseError> {
    let on = connection(scanner, name)?;
    scanner.expect(":")?;
    scanner.skip(false);
    let api = scanner.word("an API's name")?;
    let Some(known) = schema::by_name(api) else {
        return Err(scanner.error(format!("no API is named {api:?}")));
    };
    scanner.skip(false);
    let version = match (scanner.word("a version, or v")?, version) {
        ("v", Some(version)) => version,
        ("v", None) => return Err(scanner.error("v stands for a version of the scenario's, which has none")),
        (text, _) => text
            .parse()
            .map_err(|_| scanner.error(format!("{text:?} is no version")))?,
    };
    if !known.request.versions.contains(&version) {
        let versions = &known.request.versions;
        return Err(scanner.error(format!(
            "{api} has the versions {} to {}, not {version} (send others as raw bytes)",
            versions.start(),
            versions.end()
        )));
    }
    let body = scanner.value()?;
    Ok(Request {
        on,
        api: api.to_owned(),
        version,
        body,
    })
}

fn connection(scanner: &mut Scanner<'_>, name: &str) -> Result<Connection, ParseError> {
    let target = match scanner.eat("@") {
        false => Target::Default,
        true => {
            let role = scanner.word("a broker")?;
            match role {
                "leader" | "nonleader" => {
                    scanner.expect("(")?;
                    let topic = scanner.word("a topic")?.to_owned();
                    scanner.expect("/")?;
                    let partition = number(scanner, "a partition")?;
                    scanner.expect(")")?;
                    Target::Leader(topic, partition, role == "leader")
                }
                "coordinator" | "noncoordinator" => {
                    scanner.expect("(")?;
                    let group = scanner.word("a group")?.to_owned();
                    scanner.expect(")")?;
                    Target::Coordinator(group, role == "coordinator")
                }
                "transactions" | "nontransactions" => {
                    scanner.expect("(")?;
                    let id = scanner.word("a transactional id")?.to_owned();
                    scanner.expect(")")?;
                    Target::Transactions(id, role == "transactions")
                }
                number => {
                    let number = number.parse().ok().filter(|n| *n > 0);
                    Target::Broker(number.ok_or_else(|| scanner.error(format!("{role:?} is no broker")))?)
                }
            }
        }
    };
    Ok(Connection {
        name: name.to_owned(),
        target,
    })
}

fn number<N: std::str::FromStr>(scanner: &mut Scanner<'_>, what: &str) -> Result<N, ParseError> {
    let text = scanner.word(what)?;
    text.parse()
        .map_err(|_| scanner.error(format!("expected {what}, found {text:?}")))
}

fn end(scanner: &mut Scanner<'_>) -> Result<(), ParseError> {
    scanner.skip(false);
    match scanner.peek() {
        None => Ok(()),
        Some('\n') => {
            scanner.bump();
            Ok(())
        }
        Some(c) => Err(scanner.error(format!("expected the end of the line, found {c:?}"))),
    }
}
