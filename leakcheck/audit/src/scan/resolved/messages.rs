//! cargo's messages, read: what clippy says of calls and functions, and what does not compile.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::calls::{Call, Callee, Calls, Expansion, Extent, InFile};
use super::spawning::SPAWNING;

/// What a reason in the generated configuration begins with. A number follows: the entry's.
pub(crate) const REASON: &str = "leak-audit entry ";

#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
    level: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Child>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Child {
    message: String,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    is_primary: bool,
    line_start: u32,
    column_start: u32,
    line_end: u32,
    column_end: u32,
    expansion: Option<Box<Expanded>>,
}

#[derive(Deserialize)]
struct Expanded {
    span: Span,
}

impl Span {
    fn extent(&self) -> Extent {
        Extent {
            from: (self.line_start, self.column_start),
            to: (self.line_end, self.column_end),
        }
    }
}

/// What cargo's messages say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub calls: Calls,
    /// Why something does not compile, as the compiler puts it.
    pub errors: Vec<String>,
}

/// Reads messages. File names in them are from `root` on; `wrappers` are the entries behind those of [`SPAWNING`].
pub(crate) fn read(lines: &str, root: &Path, wrappers: &[String]) -> Said {
    let mut said = Said::default();
    let mut paths = Paths {
        root,
        known: HashMap::new(),
    };
    for line in lines.lines() {
        // What a build script prints may be among them.
        let Ok(Line {
            reason,
            message: Some(message),
        }) = serde_json::from_str(line)
        else {
            continue;
        };
        if reason != "compiler-message" {
            continue;
        }
        if message.level.starts_with("error") {
            said.errors.push(message.rendered.unwrap_or(message.message));
            continue;
        }
        let Some(span) = message.spans.iter().find(|span| span.is_primary) else {
            continue;
        };
        match message.code.as_ref().map(|code| code.code.as_str()) {
            Some("clippy::too_many_lines") => {
                in_file(&mut said.calls, paths.of(&span.file_name))
                    .functions
                    .push(span.extent());
            }
            Some("clippy::disallowed_methods") => {
                if let Some(callee) = callee(&message.children, wrappers) {
                    call(&mut said.calls, &mut paths, span, callee);
                }
            }
            _ => {}
        }
    }
    said
}

/// The entry of the configuration that a message's notes name.
fn callee(notes: &[Child], wrappers: &[String]) -> Option<Callee> {
    let number = notes.iter().find_map(|note| {
        let behind = note.message.split_once(REASON)?.1;
        let end = behind.find(|letter: char| !letter.is_ascii_digit());
        behind[..end.unwrap_or(behind.len())].parse::<usize>().ok()
    })?;
    match SPAWNING.get(number) {
        Some(spawning) => Some(Callee::Spawning(spawning)),
        None => wrappers.get(number - SPAWNING.len()).cloned().map(Callee::Wrapper),
    }
}

/// Puts a call where it is written: in the source, or in the macro that the source invokes.
fn call(calls: &mut Calls, paths: &mut Paths<'_>, span: &Span, callee: Callee) {
    let Some(expanded) = &span.expansion else {
        let at = span.extent();
        in_file(calls, paths.of(&span.file_name))
            .calls
            .push(Call { at, callee });
        return;
    };
    let mut invoked = &expanded.span;
    let mut is_all = std::fs::read_to_string(paths.of(&span.file_name)).is_ok_and(|text| is_all(&text, span.extent()));
    while let Some(outer) = &invoked.expansion {
        invoked = &outer.span;
        is_all = false;
    }
    let expansion = Expansion {
        at: invoked.extent().from,
        callee,
        is_all,
    };
    in_file(calls, paths.of(&invoked.file_name)).expansions.push(expansion);
}

fn in_file(calls: &mut Calls, path: PathBuf) -> &mut InFile {
    calls.files.entry(path).or_default()
}

/// Whether nothing stands beside a call in the braces around it, or in what a macro becomes, but for the semicolon behind it.
/// `name` is where its function is named.
fn is_all(text: &str, name: Extent) -> bool {
    let offset = |(line, column): (u32, u32)| {
        // Both count from one. What has no place has zeros.
        let (line, column) = ((line as usize).checked_sub(1)?, (column as usize).checked_sub(1)?);
        let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let within = text[before..].char_indices().nth(column)?.0;
        Some(before + within)
    };
    let (Some(from), Some(to)) = (offset(name.from), offset(name.to)) else {
        return false;
    };
    let before = text[..from].trim_end();
    let becomes = before
        .strip_suffix('(')
        .is_some_and(|arm| arm.trim_end().ends_with("=>"));
    if !becomes && !before.ends_with('{') {
        return false;
    }
    let mut depth = 0_usize;
    let mut behind = text[to..].char_indices();
    let end = behind.find_map(|(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && !letter.is_whitespace()).then_some((at + 1, letter))
    });
    let Some((end, ')')) = end else { return false };
    let rest = text[to + end..].trim_start();
    let rest = rest.strip_prefix(';').unwrap_or(rest).trim_start();
    rest.starts_with(['}', ')'])
}

struct Paths<'r> {
    root: &'r Path,
    known: HashMap<PathBuf, PathBuf>,
}

impl Paths<'_> {
    fn of(&mut self, name: &Path) -> PathBuf {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let path = self.root.join(name);
        let path = path.canonicalize().unwrap_or(path);
        self.known.insert(name.to_owned(), path.clone());
        path
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn span(file: &str, line: u32, columns: (u32, u32), expansion: Value) -> Value {
        json!({
            "file_name": file, "is_primary": true, "line_start": line, "line_end": line,
            "column_start": columns.0, "column_end": columns.1,
            "expansion": if expansion.is_null() { expansion } else { json!({ "span": expansion }) },
        })
    }

    fn message(code: &str, note: &str, span: Value) -> String {
        let message = json!({
            "message": "use of a disallowed method `tokio::spawn`", "level": "warning", "code": { "code": code },
            "spans": [span], "children": [{ "message": note }], "rendered": null,
        });
        json!({ "reason": "compiler-message", "message": message }).to_string()
    }

    const METHOD: &str = "clippy::disallowed_methods";

    #[test]
    fn what_has_no_place_is_not_alone_in_its_braces() {
        let at = |from, to| Extent { from, to };
        assert!(is_all("{ a() }", at((1, 3), (1, 4))));
        for nowhere in [(0, 0), (0, 1), (1, 0), (9, 9)] {
            assert!(!is_all("{ a() }", at(nowhere, nowhere)));
        }
    }

    #[test]
    fn calls_and_functions_are_found_by_their_place() {
        let root = Path::new("/nowhere");
        let lines = [
            "a build script says this".to_owned(),
            json!({ "reason": "build-finished", "success": true }).to_string(),
            message(
                "clippy::too_many_lines",
                "",
                span("src/lib.rs", 3, (1, 20), Value::Null),
            ),
            message(
                METHOD,
                "leak-audit entry 3",
                span("src/lib.rs", 4, (5, 17), Value::Null),
            ),
            message(
                METHOD,
                &format!("leak-audit entry {} (from clippy.toml)", SPAWNING.len()),
                span("src/lib.rs", 5, (5, 9), Value::Null),
            ),
            // Of somebody else's configuration, or out of range.
            message(METHOD, "use a tracker", span("src/lib.rs", 6, (5, 9), Value::Null)),
            message(
                METHOD,
                "leak-audit entry 99999",
                span("src/lib.rs", 7, (5, 9), Value::Null),
            ),
        ];
        let said = read(&lines.join("\n"), root, &["shop::start".to_owned()]);
        assert_eq!(said.errors, Vec::<String>::new());
        let file = said.calls.in_file(&root.join("src/lib.rs")).unwrap();
        assert!(file.is_compiled((3, 5)) && !file.is_compiled((4, 5)));
        let whole = |line| Extent {
            from: (line, 1),
            to: (line, 40),
        };
        assert_eq!(SPAWNING[3].path, "tokio::spawn");
        assert_eq!(file.callee((4, 5), whole(4)), Some(&Callee::Spawning(&SPAWNING[3])));
        assert_eq!(
            file.callee((5, 5), whole(5)),
            Some(&Callee::Wrapper("shop::start".to_owned()))
        );
        assert_eq!(file.callee((4, 6), whole(4)), None);
        assert_eq!(file.calls.len(), 2);
        // A clippy that points at the whole call.
        let older = Extent {
            from: (4, 5),
            to: (4, 17),
        };
        assert!(file.callee((4, 12), older).is_some());
    }

    #[test]
    fn a_call_out_of_a_macro_is_found_where_the_outermost_is_invoked() {
        let invoked = span("src/lib.rs", 9, (5, 20), Value::Null);
        let within = span("src/macros.rs", 2, (1, 9), invoked.clone());
        let lines = [
            message(METHOD, "leak-audit entry 3", span("src/macros.rs", 1, (1, 9), within)),
            message(METHOD, "leak-audit entry 3", span("src/macros.rs", 5, (1, 9), invoked)),
        ];
        let said = read(&lines.join("\n"), Path::new("/nowhere"), &[]);
        let file = said.calls.in_file(Path::new("/nowhere/src/lib.rs")).unwrap();
        assert_eq!(file.expansion((9, 5)).unwrap().callee, Callee::Spawning(&SPAWNING[3]));
        assert_eq!((file.expansions.len(), file.expansion((9, 6))), (2, None));
        assert!(file.calls.is_empty());
    }

    #[test]
    fn what_does_not_compile_is_kept_as_the_compiler_puts_it() {
        let error = json!({ "reason": "compiler-message", "message": {
            "message": "mismatched types", "level": "error", "code": { "code": "E0308" }, "spans": [], "children": [],
            "rendered": "error[E0308]: mismatched types\n",
        }});
        let said = read(&error.to_string(), Path::new("/"), &[]);
        assert_eq!(said.errors, ["error[E0308]: mismatched types\n"]);
    }

    #[test]
    fn a_macro_that_is_nothing_but_its_call_is_told_from_others() {
        for (text, all) in [
            ("($e:expr) => { tokio::spawn($e) };", true),
            ("($e:expr) => {{ tokio::spawn(async move { $e.await; }); }};", true),
            ("($e:expr) => ( tokio::spawn ($e) );", true),
            ("($e:expr) => { let _task = tokio::spawn($e); };", false),
            ("($e:expr) => { tokio::spawn($e).abort() };", false),
            ("($e:expr) => { keep(tokio::spawn($e), 1) };", false),
            ("($e:expr) => { keep(tokio::spawn($e)) };", false),
            ("($e:expr) => { tokio::spawn($e); work() };", false),
            ("($e:expr) => { tokio::spawn", false),
        ] {
            let from = text.find("tokio").unwrap() as u32 + 1;
            let name = Extent {
                from: (1, from),
                to: (1, from + 12),
            };
            assert_eq!(is_all(text, name), all, "{text}");
        }
    }
}
