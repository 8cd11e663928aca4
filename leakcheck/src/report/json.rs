//! The report for programs: one line of JSON a check, appended to a file in `LEAKCHECK_REPORT_DIR`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, process};

use super::{
    Frame, Hung, Ignored, Leak, Place, Repetition, Report, Resource, SiteSummary, Stopping, TaskPanic, UntrackedTasks,
    Wait,
};
use crate::info::{Parent, TaskKind};
use crate::policy::Untracked;

/// Where the lines go. Nothing is written when it is unset or empty.
const DIRECTORY: &str = "LEAKCHECK_REPORT_DIR";

/// How the checked test itself went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Passed,
    Panicked,
    Error,
    Hung,
}

/// Appends `report` to this process's file, when there is a directory for it.
///
/// One `write` to a file opened for appending: the lines of tests that run in parallel do not mix.
///
/// # Errors
///
/// When the directory or the file cannot be made or written.
pub(crate) fn append(report: &Report, body: Body) -> io::Result<()> {
    let Some(directory) = env::var_os(DIRECTORY).filter(|directory| !directory.is_empty()) else {
        return Ok(());
    };
    let binary = binary();
    let mut path = PathBuf::from(directory);
    std::fs::create_dir_all(&path)?;
    path.push(format!("{binary}-{}.jsonl", process::id()));
    let line = line(report, body, &binary, env::var("CARGO_PKG_NAME").ok().as_deref());
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(line.as_bytes())
}

/// The name of this executable, without the hash that cargo puts behind it.
pub(crate) fn binary() -> String {
    let path = env::current_exe().unwrap_or_default();
    let stem = path
        .file_stem()
        .unwrap_or_else(|| Path::new("unknown").as_os_str())
        .to_string_lossy()
        .into_owned();
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => name.to_owned(),
        _ => stem,
    }
}

fn line(report: &Report, body: Body, binary: &str, package: Option<&str>) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.key("schema").number(1);
        json.key("test").string(&report.test);
        json.key("package").optional(package, Json::string);
        json.key("binary").string(binary);
        json.key("verdict").string(match report.is_clean() {
            _ if !report.tracked => "unchecked",
            _ if report.hung.is_some() => "hung",
            true => "clean",
            false if report.has_leaked() => "leaked",
            false => "panicked",
        });
        json.key("body").string(match body {
            Body::Passed => "passed",
            Body::Panicked => "panicked",
            Body::Error => "error",
            Body::Hung => "hung",
        });
        json.key("rounds").number(u64::from(report.rounds));
        json.key("settled_ms").milliseconds(report.settled);
        json.key("sites").array(&report.sites, site);
        json.key("leaks").array(&report.leaks, leak);
        json.key("ignored").array(&report.ignored, ignored);
        json.key("untracked").optional(report.untracked.as_ref(), untracked);
        json.key("panics").array(&report.panics, panic);
        json.key("hung").optional(report.hung.as_ref(), hung);
        json.key("resources").array(&report.resources, resource);
        json.key("unchecked")
            .array(&report.unchecked, |json, what| json.string(what));
        json.key("repeated").optional(report.repeated.as_ref(), repeated);
    });
    json.0.push('\n');
    json.0
}

fn site(json: &mut Json, site: &SiteSummary) {
    json.object(|json| {
        json.key("group").string(&site.group);
        json.key("name").string(&site.name);
        json.key("spawned_at");
        place(json, &site.spawned_at);
        for (key, count) in [
            ("seen", site.seen),
            ("returned", site.returned),
            ("cancelled", site.cancelled),
            ("aborted", site.aborted),
            ("panicked", site.panicked),
            ("dropped", site.dropped),
            ("leaked", site.leaked),
        ] {
            json.key(key).number(count);
        }
        json.key("stopping").optional(site.stopping.as_ref(), stopping);
    });
}

fn stopping(json: &mut Json, stopping: &Stopping) {
    json.object(|json| {
        json.key("count").number(stopping.count);
        json.key("p50_ms").milliseconds(stopping.p50);
        json.key("p99_ms").milliseconds(stopping.p99);
        json.key("worst_ms").milliseconds(stopping.worst);
        json.key("buckets").array(&stopping.buckets, |json, (up_to_us, count)| {
            json.object(|json| {
                json.key("up_to_us").number(*up_to_us);
                json.key("count").number(*count);
            });
        });
    });
}

fn leak(json: &mut Json, leak: &Leak) {
    json.object(|json| {
        json.key("task").number(leak.task);
        json.key("group").string(&leak.group);
        json.key("name").string(&leak.name);
        json.key("spawned_at");
        place(json, &leak.spawned_at);
        json.key("parent").optional(leak.parent.as_ref(), parent);
        json.key("alive_ms").milliseconds(leak.alive);
        json.key("polls").number(leak.polls);
        json.key("last_poll_ms").optional(leak.last_poll, Json::milliseconds);
        json.key("busy_ms").milliseconds(leak.busy);
        json.key("state").string(leak.state.as_str());
        json.key("waiting_at").optional(leak.waiting_at.as_ref(), frame);
        json.key("select")
            .optional(leak.select, |json, branches| json.number(branches as u64));
        json.key("branches").array(&leak.waiting, branch);
        json.key("help").array(&leak.help, |json, help| json.string(help));
    });
}

fn hung(json: &mut Json, hung: &Hung) {
    json.object(|json| {
        json.key("timeout_ms").milliseconds(hung.timeout);
        json.key("tasks").array(&hung.tasks, leak);
    });
}

fn resource(json: &mut Json, resource: &Resource) {
    json.object(|json| {
        json.key("kind").string(resource.kind.as_str());
        json.key("description").string(&resource.description);
        json.key("target").string(&resource.target);
        json.key("number").number(u64::from(resource.number));
        json.key("alive_ms").optional(resource.alive, Json::milliseconds);
        json.key("with_runtime").boolean(resource.with_runtime);
        json.key("help").array(&resource.help, |json, help| json.string(help));
    });
}

fn repeated(json: &mut Json, repeated: &Repetition) {
    json.object(|json| {
        json.key("runs").number(u64::from(repeated.runs));
        json.key("wanted").number(u64::from(repeated.wanted));
        json.key("failed")
            .array(&repeated.failed, |json, run| json.number(u64::from(run.number)));
        json.key("seed").number(repeated.seed);
    });
}

fn branch(json: &mut Json, wait: &Wait) {
    json.object(|json| {
        json.key("leaf").string(&wait.leaf);
        json.key("line")
            .optional(wait.line, |json, line| json.number(u64::from(line)));
        json.key("frames").array(&wait.frames, frame);
    });
}

fn frame(json: &mut Json, frame: &Frame) {
    json.object(|json| {
        json.key("function").string(&frame.function);
        json.key("file").string(&frame.file);
        json.key("line").number(u64::from(frame.line));
    });
}

fn place(json: &mut Json, place: &Place) {
    json.object(|json| {
        json.key("file").string(&place.file);
        json.key("line").number(u64::from(place.line));
        json.key("column").number(u64::from(place.column));
    });
}

fn parent(json: &mut Json, parent: &Parent) {
    json.object(|json| {
        json.key("task").number(parent.id);
        json.key("group").string(&parent.group);
        json.key("name").string(&parent.name);
    });
}

fn ignored(json: &mut Json, rule: &Ignored) {
    json.object(|json| {
        json.key("reason").string(&rule.reason);
        json.key("matched").number(rule.matched);
    });
}

fn untracked(json: &mut Json, tasks: &UntrackedTasks) {
    json.object(|json| {
        json.key("count").number(tasks.count as u64);
        json.key("known").string(tasks.known.as_str());
        json.key("denied").boolean(tasks.policy == Untracked::Deny);
        json.key("spawned").array(&tasks.spawned, |json, spawn| {
            json.object(|json| {
                json.key("kind").string(kind(spawn.kind));
                json.key("count").number(spawn.count as u64);
                json.key("frames").array(&spawn.frames, frame);
            });
        });
    });
}

fn panic(json: &mut Json, panic: &TaskPanic) {
    json.object(|json| {
        json.key("task").number(panic.task);
        json.key("group").string(&panic.group);
        json.key("name").string(&panic.name);
        json.key("kind").string(kind(panic.kind));
        json.key("spawned_at");
        place(json, &panic.spawned_at);
        json.key("parent").optional(panic.parent.as_ref(), parent);
        json.key("message").optional(panic.message.as_deref(), Json::string);
        json.key("detached").boolean(panic.detached);
        json.key("denied").boolean(panic.denied);
    });
}

fn kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Async => "async",
        TaskKind::Local => "local",
        TaskKind::Blocking => "blocking",
        TaskKind::Future => "future",
    }
}

/// JSON as it is being written. The caller keeps to keys and values in turn; commas are put in here.
#[derive(Default)]
struct Json(String);

impl Json {
    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    fn key(&mut self, key: &str) -> &mut Self {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.string(key);
        self.0.push(':');
        self
    }

    fn array<'a, T: 'a>(&mut self, items: impl IntoIterator<Item = &'a T>, write: impl Fn(&mut Self, &'a T)) {
        self.0.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(self, item);
        }
        self.0.push(']');
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.0.push_str("null"),
        }
    }

    fn boolean(&mut self, value: bool) {
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn number(&mut self, number: u64) {
        self.0.push_str(&number.to_string());
    }

    fn milliseconds(&mut self, duration: Duration) {
        self.0.push_str(&format!("{:.3}", duration.as_secs_f64() * 1e3));
    }

    /// RFC 8259, section 7: quotation marks, backslashes and control characters must be escaped; the rest may stand.
    fn string(&mut self, string: &str) {
        self.0.push('"');
        for character in string.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                control if control < ' ' => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                character => self.0.push(character),
            }
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_the_way_through_json() {
        let test = "a \"test\" \\ with\n\r\t\u{1}\u{7f} › and 🦀";
        let line = line(&Report::new(test), Body::Passed, "binary", None);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["test"], test);
        assert_eq!(read["package"], serde_json::Value::Null);
        assert_eq!((line.matches('\n').count(), line.ends_with('\n')), (1, true));
    }

    #[test]
    fn what_was_not_looked_at_is_not_called_clean() {
        for (tracked, verdict) in [(true, "clean"), (false, "unchecked")] {
            let report = Report {
                tracked,
                ..Report::new("t")
            };
            let read = valid(&line(&report, Body::Passed, "binary", None));
            assert_eq!(read["verdict"], verdict);
        }
    }

    /// Has every object of the schema forbid members that it does not know.
    #[cfg(not(lean))]
    fn forbid_others(schema: &mut serde_json::Value) {
        match schema {
            serde_json::Value::Object(members) => {
                members.values_mut().for_each(forbid_others);
                if members.get("type").is_some_and(|kind| kind == "object") {
                    members.insert("additionalProperties".into(), false.into());
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(forbid_others),
            _ => {}
        }
    }

    /// `line`, if it is as the schema says and has no member that the schema does not tell of. A `lean` build knows no schemas.
    fn valid(line: &str) -> serde_json::Value {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        #[cfg(not(lean))]
        {
            let mut schema: serde_json::Value = serde_json::from_str(super::super::SCHEMA).unwrap();
            forbid_others(&mut schema);
            let errors: Vec<_> = jsonschema::validator_for(&schema)
                .unwrap()
                .iter_errors(&read)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{errors:?}: {line}");
        }
        read
    }

    #[test]
    fn what_no_tracker_saw_and_panics_are_as_the_schema_says() {
        let mut report = Report {
            tracked: true,
            ..Report::new("t")
        };
        report.panics.push(TaskPanic {
            task: 3,
            group: "group".into(),
            name: "name".into(),
            kind: TaskKind::Local,
            spawned_at: Place {
                file: "src/a.rs".into(),
                line: 8,
                column: 9,
            },
            parent: None,
            message: Some("why".into()),
            detached: true,
            denied: true,
        });
        assert_eq!(
            valid(&line(&report, Body::Passed, "binary", None))["verdict"],
            "panicked"
        );
        report.untracked = Some(UntrackedTasks {
            count: 2,
            known: super::super::Known::Named,
            spawned: vec![super::super::UntrackedSpawn {
                kind: TaskKind::Async,
                count: 2,
                frames: Vec::new(),
            }],
            policy: Untracked::Deny,
        });
        assert_eq!(valid(&line(&report, Body::Passed, "binary", None))["verdict"], "leaked");
    }

    #[test]
    fn a_place_that_leaked_is_written_member_by_member() {
        let mut report = Report {
            tracked: true,
            ..Report::new("t")
        };
        report.settled = Duration::from_millis(1500);
        let spawned_at = Place {
            file: "src/a.rs".into(),
            line: 8,
            column: 9,
        };
        let frame = Frame {
            function: "a::manage".into(),
            file: "src/b.rs".into(),
            line: 215,
            column: 5,
        };
        report.leaks.push(Leak {
            task: 17,
            group: "group:orders".into(),
            name: "manage".into(),
            spawned_at: spawned_at.clone(),
            parent: Some(Parent {
                id: 1,
                group: "connection".into(),
                name: "peer".into(),
            }),
            alive: Duration::from_micros(1_020_100),
            polls: 7,
            last_poll: None,
            busy: Duration::from_micros(200),
            state: super::super::LeakState::Waiting,
            waiting_at: Some(Frame {
                line: 214,
                ..frame.clone()
            }),
            select: Some(2),
            waiting: vec![Wait {
                leaf: "mpsc::Receiver::recv".into(),
                line: Some(215),
                frames: vec![frame],
            }],
            help: vec!["try".into()],
        });
        report.sites.push(SiteSummary {
            group: "group:orders".into(),
            name: "manage".into(),
            spawned_at,
            seen: 3,
            returned: 1,
            cancelled: 1,
            aborted: 0,
            panicked: 0,
            dropped: 0,
            leaked: 1,
            stopping: Some(Stopping {
                count: 1,
                p50: Duration::from_micros(1_500),
                p99: Duration::from_micros(1_500),
                worst: Duration::from_micros(1_500),
                buckets: vec![(1_536, 1)],
            }),
        });
        report.ignored.push(Ignored {
            rule: "name x".into(),
            reason: "known".into(),
            matched: 0,
        });
        let read = valid(&line(&report, Body::Error, "binary", Some("kfake")));
        let at = serde_json::json!({"file": "src/a.rs", "line": 8, "column": 9});
        assert_eq!(
            read,
            serde_json::json!({
                "schema": 1, "test": "t", "package": "kfake", "binary": "binary", "verdict": "leaked", "body": "error",
                "rounds": 0, "settled_ms": 1500.0,
                "sites": [{"group": "group:orders", "name": "manage", "spawned_at": at, "seen": 3, "returned": 1,
                    "cancelled": 1, "aborted": 0, "panicked": 0, "dropped": 0, "leaked": 1,
                    "stopping": {"count": 1, "p50_ms": 1.5, "p99_ms": 1.5, "worst_ms": 1.5,
                        "buckets": [{"up_to_us": 1536, "count": 1}]}}],
                "leaks": [{"task": 17, "group": "group:orders", "name": "manage", "spawned_at": at,
                    "parent": {"task": 1, "group": "connection", "name": "peer"}, "alive_ms": 1020.1, "polls": 7,
                    "last_poll_ms": null, "busy_ms": 0.2, "state": "waiting",
                    "waiting_at": {"function": "a::manage", "file": "src/b.rs", "line": 214}, "select": 2,
                    "branches": [{"leaf": "mpsc::Receiver::recv", "line": 215,
                        "frames": [{"function": "a::manage", "file": "src/b.rs", "line": 215}]}],
                    "help": ["try"]}],
                "ignored": [{"reason": "known", "matched": 0}],
                "untracked": null, "panics": [], "hung": null, "resources": [], "unchecked": [], "repeated": null,
            })
        );
    }
}
