//! The verdict on a scope: settle, ask what is left where it waits, report.

use std::io::Write as _;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::check::{Terms, publish};
use crate::group::Group;
use crate::ignore::Ignore;
use crate::info::{TaskInfo, TaskKind};
use crate::plain::test_of_this_thread;
use crate::probe::{self, Answer, Places};
use crate::registry;
use crate::report::{Body, Ignored, Leak, LeakState, Place, Report, SiteSummary};
use crate::scope::{Begun, Scope, here};
use crate::settle::{LONGEST, SLACK, Settled, settle, settle_here};
use crate::task::Task;
use crate::watchdog::{Leash, Watchdog};

impl Begun {
    /// Checks this scope from inside of the runtime that drives its tasks. A check that a task's blocked thread holds up
    /// ends the process, and writes its line before, if one is `wanted` of a body that ended so.
    pub(crate) async fn verify(&self, terms: &Terms, wanted: Option<Body>) -> Report {
        let Terms { grace, rules, .. } = terms;
        // Most tests leave nothing, and cost no thread.
        let watchdog = if self.scope.live() == 0 {
            Watchdog::asleep()
        } else {
            let (scope, rules) = (self.scope.clone(), rules.clone());
            let stalled = move |_: &Leash, settled| end_stalled(&scope, &rules, settled, wanted);
            Watchdog::over((*grace).min(LONGEST) + SLACK, |_| (), stalled)
        };
        let settled = settle(&self.scope, rules, *grace, &watchdog).await;
        let verdict = Verdict::new(&self.scope, rules);
        let answers = probe::ask(&verdict.to_ask(), || watchdog.beat()).await;
        drop(watchdog);
        verdict.report(settled, answers)
    }

    /// Checks this scope from a thread that drives none of its tasks.
    pub(crate) fn verify_here(&self, terms: &Terms) -> Report {
        verify_here(&self.scope, terms)
    }
}

/// Ends the process if a tracked task is what holds the check up: its thread is blocked, so nothing else can end the test.
/// Of what is not tracked nothing could be said.
fn end_stalled(scope: &Scope, rules: &[Ignore], settled: Settled, wanted: Option<Body>) {
    let verdict = Verdict::new(scope, rules);
    if !verdict.found.iter().any(|found| found.task.is_being_polled()) {
        return;
    }
    let answers = verdict.to_ask().iter().map(|_| Answer::None).collect();
    let report = verdict.report(settled, answers);
    end_process(&report, wanted, "a task blocks the thread of its test");
}

/// Prints the report and ends the process, because of `why`. Writes the report's line before, if one is `wanted` of a
/// body that ended so.
pub(crate) fn end_process(report: &Report, wanted: Option<Body>, why: &str) -> ! {
    let mut text = format!("{report}\nleakcheck: the process is ended, as {why}\n");
    if let Some(body) = wanted
        && let Err(unwritten) = publish(report, body)
    {
        text.push_str(&format!("{unwritten}\n"));
    }
    // Not by `eprintln!`: the test harness would keep it for a test that never ends.
    let shown = std::io::stderr().write_all(text.as_bytes());
    drop(shown);
    std::process::exit(STALLED_CODE);
}

/// As of a panic.
const STALLED_CODE: i32 = 101;

/// Checks what belongs to the calling thread.
pub(crate) fn verify_thread(terms: &Terms) -> Report {
    verify_here(&here(), terms)
}

fn verify_here(scope: &Scope, terms: &Terms) -> Report {
    let Terms { grace, rules, .. } = terms;
    let driven_elsewhere = scope.tasks().iter().any(|task| !runs_on_this_thread(task));
    let settled = if driven_elsewhere {
        settle_here(scope, rules, *grace)
    } else {
        Settled::default()
    };
    let mut verdict = Verdict::new(scope, rules);
    verdict.state_those_of_this_thread();
    let answers = probe::ask_and_wait(&verdict.to_ask());
    verdict.report(settled, answers)
}

impl Group {
    /// Asks the tasks of this group, and of those below it, where they wait, from inside of a runtime. Those that end
    /// meanwhile are left out.
    pub(crate) async fn inspect(&self) -> Vec<Leak> {
        let tasks = registry::live(|task| task.group.is_within(self));
        let mut found: Vec<Found> = tasks.into_iter().map(Found::new).collect();
        let answers = probe::ask(&to_ask(&found), || ()).await;
        answer(&mut found, answers);
        found
            .into_iter()
            .filter(|found| !found.task.has_ended())
            .map(Found::leak)
            .collect()
    }
}

/// Whether nothing but this very thread can poll that task, so that it is no use to wait for it here.
fn runs_on_this_thread(task: &Task) -> bool {
    let current = Handle::try_current().ok().map(|handle| handle.id());
    task.kind != TaskKind::Blocking
        && task
            .runtime
            .is_some_and(|home| !home.multi_thread && Some(home.runtime) == current)
}

/// A task that outlived its test, and what is known of its waiting.
pub(crate) struct Found {
    pub(crate) task: Arc<Task>,
    /// As it was before it was asked: the question polls it.
    info: TaskInfo,
    state: Option<LeakState>,
    places: Places,
}

impl Found {
    pub(crate) fn new(task: Arc<Task>) -> Self {
        let state = (task.kind == TaskKind::Blocking).then_some(LeakState::Blocking);
        Self {
            info: task.info(),
            task,
            state,
            places: Places::default(),
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.state = Some(match answer {
            Answer::Waits(traces) => {
                self.places = probe::read(&traces);
                LeakState::Waiting
            }
            Answer::None => self.silence(),
        });
    }

    /// Why the task does not answer.
    fn silence(&self) -> LeakState {
        let by_somebody = matches!(self.task.kind, TaskKind::Local | TaskKind::Future)
            || self.task.runtime.is_some_and(|home| !home.multi_thread);
        if by_somebody && !self.task.is_being_polled() {
            LeakState::Undriven
        } else {
            LeakState::Silent
        }
    }

    pub(crate) fn leak(self) -> Leak {
        leak(self.info, self.state.unwrap_or(LeakState::Silent), self.places)
    }
}

pub(crate) fn to_ask(found: &[Found]) -> Vec<Arc<Task>> {
    found
        .iter()
        .filter(|found| found.state.is_none())
        .map(|found| found.task.clone())
        .collect()
}

pub(crate) fn answer(found: &mut [Found], answers: Vec<Answer>) {
    for (found, answer) in found.iter_mut().filter(|found| found.state.is_none()).zip(answers) {
        found.answered(answer);
    }
}

/// A scope's tasks after it has settled.
struct Verdict<'a> {
    scope: &'a Scope,
    rules: &'a [Ignore],
    matched: Vec<u64>,
    found: Vec<Found>,
}

impl<'a> Verdict<'a> {
    fn new(scope: &'a Scope, rules: &'a [Ignore]) -> Self {
        let found = scope.tasks().into_iter().map(Found::new).collect();
        Self {
            scope,
            rules,
            matched: vec![0; rules.len()],
            found,
        }
    }

    fn state_those_of_this_thread(&mut self) {
        for found in self.found.iter_mut().filter(|found| runs_on_this_thread(&found.task)) {
            found.state.get_or_insert(LeakState::Undriven);
        }
    }

    fn to_ask(&self) -> Vec<Arc<Task>> {
        to_ask(&self.found)
    }

    fn report(mut self, settled: Settled, answers: Vec<Answer>) -> Report {
        answer(&mut self.found, answers);
        let found = std::mem::take(&mut self.found);
        let mut leaks: Vec<Leak> = found
            .into_iter()
            .filter(|found| !found.task.has_ended())
            .map(Found::leak)
            .collect();
        // After that: a task that is going down right now is found above, or here, or twice.
        let dropped = self.scope.dropped().into_iter();
        let dropped: Vec<Leak> = dropped
            .filter(|info| leaks.iter().all(|leak| leak.task != info.id))
            .map(|info| leak(info, LeakState::Dropped, Places::default()))
            .collect();
        leaks.extend(dropped);
        leaks.retain(|leak| !self.is_ignored(leak));
        leaks.sort_by_key(|leak| leak.task);
        Report {
            rounds: settled.rounds,
            settled: settled.took,
            sites: self.sites(&leaks),
            leaks,
            ignored: self.ignored(),
            ..Report::new(&self.test())
        }
    }

    fn test(&self) -> String {
        self.scope.name().map_or_else(test_of_this_thread, ToString::to_string)
    }

    fn is_ignored(&mut self, leak: &Leak) -> bool {
        let matching = self.rules.iter().position(|rule| {
            rule.matches_identity(&leak.group, &leak.name, &leak.spawned_at.file)
                || leak
                    .waiting
                    .iter()
                    .flat_map(|wait| &wait.frames)
                    .any(|at| rule.matches_function(&at.function))
        });
        if let Some(rule) = matching {
            self.matched[rule] += 1;
        }
        matching.is_some()
    }

    fn ignored(&self) -> Vec<Ignored> {
        let rules = self.rules.iter().zip(&self.matched);
        rules
            .map(|(rule, matched)| Ignored {
                rule: rule.describe(),
                reason: rule.reason().to_owned(),
                matched: *matched,
            })
            .collect()
    }

    fn sites(&self, leaks: &[Leak]) -> Vec<SiteSummary> {
        sites(self.scope, leaks)
    }
}

/// What became of a scope's tasks, by where they were spawned.
pub(crate) fn sites(scope: &Scope, leaks: &[Leak]) -> Vec<SiteSummary> {
    let mut sites: Vec<SiteSummary> = scope
        .sites()
        .into_iter()
        .map(|(site, counts)| {
            let (name, spawned_at) = (site.name.read(), Place::from(site.spawned_at));
            let leaked = leaks
                .iter()
                .filter(|leak| leak.spawned_at == spawned_at && leak.group == site.group && leak.name == name)
                .count() as u64;
            SiteSummary {
                group: site.group,
                name,
                spawned_at,
                seen: counts.seen,
                returned: counts.returned,
                cancelled: counts.cancelled,
                aborted: counts.aborted,
                panicked: counts.panicked,
                dropped: counts.dropped,
                leaked,
            }
        })
        .collect();
    sites.sort_by(|a, b| (&a.group, &a.name, &a.spawned_at).cmp(&(&b.group, &b.name, &b.spawned_at)));
    sites
}

pub(crate) fn leak(info: TaskInfo, state: LeakState, places: Places) -> Leak {
    let help = help(state, &places);
    Leak {
        task: info.id,
        group: info.group,
        name: info.name,
        spawned_at: info.spawned_at.into(),
        parent: info.parent,
        alive: info.alive,
        polls: info.polls,
        last_poll: info.last_poll,
        busy: info.busy,
        state,
        waiting_at: places.at,
        select: places.select,
        waiting: places.waits,
        help,
    }
}

fn help(state: LeakState, places: &Places) -> Vec<String> {
    let help = match state {
        LeakState::Waiting if places.for_cancellation => "a branch waits for cancellation: cancel its token",
        LeakState::Waiting => "no branch waits for cancellation: add one for the token that its owner cancels",
        LeakState::Blocking => "a closure cannot be cancelled: let it see that its owner is gone",
        LeakState::Silent | LeakState::Undriven | LeakState::Dropped => return Vec::new(),
    };
    vec![help.to_owned()]
}
