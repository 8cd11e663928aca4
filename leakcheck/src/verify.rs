//! The verdict on a scope: settle, ask what is left where it waits, report.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use crate::check::{LONGEST, PANIC_CODE, Terms, publish};
use crate::group::Group;
use crate::help;
use crate::ignore::Ignore;
use crate::info::{TaskInfo, TaskKind};
use crate::plain::test_of_this_thread;
use crate::policy::Panics;
use crate::probe::{self, Answer, Places};
use crate::report::{Body, Ignored, Leak, LeakState, Place, Report, SiteSummary, Style, TaskPanic, UntrackedTasks};
use crate::scope::{Begun, Scope, here};
use crate::settle::{SLACK, Settled, settle, settle_everywhere, settle_here};
use crate::task::Task;
use crate::watchdog::{Leash, Watchdog};
use crate::{panics, registry, untracked};

impl Begun {
    /// Checks this scope from inside of the runtime that drives its tasks. A check that a task's blocked thread holds up
    /// ends the process, and writes its line before, if one is `wanted` of a body that ended so.
    pub(crate) async fn verify(&self, terms: &Terms, wanted: Option<Body>) -> Report {
        let Terms { grace, rules, .. } = terms;
        // Most tests leave nothing, and cost no thread.
        let looked_for = terms.untracked.is_looked_for();
        let watchdog = if self.scope.live() == 0 && !(looked_for && untracked::alive() > 0) {
            Watchdog::asleep()
        } else {
            let (scope, terms) = (self.scope.clone(), terms.clone());
            let stalled = move |_: &Leash, settled| end_stalled(&scope, &terms, settled, wanted);
            Watchdog::over((*grace).min(LONGEST) + SLACK, |_| (), stalled)
        };
        let settled = settle(&self.scope, rules, *grace, &watchdog).await;
        let untracked = untracked::find(&self.scope, terms.untracked, *grace, settled, &watchdog).await;
        let mut verdict = Verdict::new(&self.scope, terms);
        verdict.untracked = untracked;
        let answers = probe::ask(&verdict.asked(), probe::Asker::Check, || watchdog.beat()).await;
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
fn end_stalled(scope: &Scope, terms: &Terms, settled: Settled, wanted: Option<Body>) {
    let verdict = Verdict::new(scope, terms);
    if !verdict.found.iter().any(|found| found.task.is_being_polled()) {
        // It may be a task that no tracker saw, or a destructor, or that the machine stood still.
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            let test = verdict.test();
            let text =
                format!("leakcheck: something blocks the thread of test {test}, so that its check cannot go on\n");
            drop(std::io::stderr().write_all(text.as_bytes()));
        }
        return;
    }
    let report = verdict.report_unasked(settled);
    end_process(&report, wanted, "a task blocks the thread of its test");
}

/// Prints the report and ends the process, because of `why`. Writes the report's line before, if one is `wanted` of a
/// body that ended so.
pub(crate) fn end_process(report: &Report, wanted: Option<Body>, why: &str) -> ! {
    let shown = report.render(&Style::of_stderr());
    let mut text = format!("{shown}\nleakcheck: the process is ended, as {why}\n");
    if let Some(body) = wanted
        && let Err(unwritten) = publish(report, body)
    {
        text.push_str(&format!("{unwritten}\n"));
    }
    // Not by `eprintln!`: the test harness would keep it for a test that never ends.
    let shown = std::io::stderr().write_all(text.as_bytes());
    drop(shown);
    std::process::exit(PANIC_CODE.into());
}

/// What is there of a scope whose thread is blocked.
#[cfg(feature = "test-util")]
pub(crate) fn stalled(scope: &Scope, terms: &Terms) -> Report {
    Verdict::new(scope, terms).report_unasked(Settled::default())
}

impl Begun {
    /// Checks this scope and every task of the process, from a thread that drives none of them.
    pub(crate) fn verify_everything(&self, terms: &Terms) -> Report {
        let Terms { grace, rules, .. } = terms;
        let settled = settle_everywhere(rules, *grace);
        let untracked = untracked::find_here(&self.scope, terms.untracked, grace.saturating_sub(settled.took));
        let mut verdict = Verdict::new(&self.scope, terms);
        verdict.untracked = untracked;
        verdict.found = registry::live(|_| true).into_iter().map(Found::new).collect();
        verdict.state_those_of_this_thread();
        let answers = probe::ask_and_wait(&verdict.asked(), probe::Asker::Check);
        verdict.report(settled, answers)
    }
}

#[cfg(feature = "main")]
impl Begun {
    /// What fails a test whose tasks are checked later: panics that nobody can have seen.
    pub(crate) fn judge_panics(&self) -> Result<(), Box<Report>> {
        let report = Report {
            panics: panics::report(&self.scope, Panics::default()),
            ..Report::new(self.scope.name().map_or("?", |name| name))
        };
        if report.is_clean() {
            Ok(())
        } else {
            Err(Box::new(report))
        }
    }
}

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
    let untracked = untracked::find_here(scope, terms.untracked, grace.saturating_sub(settled.took));
    let mut verdict = Verdict::new(scope, terms);
    verdict.untracked = untracked;
    verdict.state_those_of_this_thread();
    let answers = probe::ask_and_wait(&verdict.asked(), probe::Asker::Check);
    verdict.report(settled, answers)
}

/// The verdict as it is now, without a wait and without a question.
#[cfg(all(test, loom))]
pub(crate) fn judge(scope: &Scope) -> Report {
    let terms = Terms::default();
    let verdict = Verdict::new(scope, &terms);
    let answers = verdict.found.iter().map(|_| Answer::None).collect();
    verdict.report(Settled::default(), answers)
}

impl Group {
    /// Asks the tasks of this group, and of those below it, where they wait, from inside of a runtime. Those that end
    /// meanwhile are left out.
    pub(crate) async fn inspect(&self) -> Vec<Leak> {
        let tasks = registry::live(|task| task.group.is_within(self));
        let mut found: Vec<Found> = tasks.into_iter().map(Found::new).collect();
        leave_out(&mut found);
        let answers = probe::ask(&to_ask(&found), probe::Asker::Passer, || ()).await;
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
            .home()
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
            || self.task.home().is_some_and(|home| !home.multi_thread);
        if by_somebody && !self.task.is_being_polled() {
            LeakState::Undriven
        } else {
            LeakState::Silent
        }
    }

    pub(crate) fn leak(mut self) -> Leak {
        // It has not answered in between, so that it is the same poll.
        self.info.polling &= self.task.is_being_polled();
        let told_to_stop = self.task.group.told_to_stop();
        let state = self.state.unwrap_or(LeakState::Silent);
        leak(self.info, state, self.places, told_to_stop)
    }
}

/// Leaves some unasked, where there are thousands to ask.
fn leave_out(found: &mut [Found]) {
    let chosen = probe::choose(&to_ask(found));
    let to_ask = found.iter_mut().filter(|found| found.state.is_none());
    for (found, _) in to_ask.zip(chosen).filter(|(_, chosen)| !chosen) {
        found.state = Some(LeakState::Unasked);
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
    panics: Panics,
    untracked: Option<UntrackedTasks>,
    matched: Vec<u64>,
    /// For each rule, how many tasks it could not judge, as a source could not be read.
    unread: Vec<u64>,
    found: Vec<Found>,
}

impl<'a> Verdict<'a> {
    fn new(scope: &'a Scope, terms: &'a Terms) -> Self {
        let rules = &terms.rules;
        let found = scope.tasks().into_iter().map(Found::new).collect();
        Self {
            scope,
            rules,
            panics: terms.panics,
            untracked: None,
            matched: vec![0; rules.len()],
            unread: vec![0; rules.len()],
            found,
        }
    }

    fn state_those_of_this_thread(&mut self) {
        for found in self.found.iter_mut().filter(|found| runs_on_this_thread(&found.task)) {
            found.state.get_or_insert(LeakState::Undriven);
        }
    }

    fn asked(&mut self) -> Vec<Arc<Task>> {
        // A rule may be for a function that only one of thousands waits in.
        if !self.rules.iter().any(Ignore::needs_waits) {
            leave_out(&mut self.found);
        }
        to_ask(&self.found)
    }

    /// The report where nobody can be asked, as a thread is blocked.
    fn report_unasked(self, settled: Settled) -> Report {
        let answers = self.found.iter().map(|_| Answer::None).collect();
        self.report(settled, answers)
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
        let known: HashSet<u64> = leaks.iter().map(|leak| leak.task).collect();
        let dropped = self.scope.dropped().into_iter();
        let dropped = dropped
            .filter(|info| !known.contains(&info.id))
            .map(|info| leak(info, LeakState::Dropped, Places::default(), false));
        leaks.extend(dropped);
        leaks.retain(|leak| !self.is_ignored(leak));
        leaks.sort_by_key(|leak| leak.task);
        let panics = self.panics();
        Report {
            rounds: settled.rounds,
            settled: settled.took,
            sites: sites(self.scope, &leaks),
            leaks,
            ignored: self.ignored(),
            panics,
            untracked: self.untracked.take(),
            ..Report::new(&self.test())
        }
    }

    fn test(&self) -> String {
        self.scope.name().map_or_else(test_of_this_thread, ToString::to_string)
    }

    /// The panics that nobody awaited and that no rule ignores.
    fn panics(&mut self) -> Vec<TaskPanic> {
        let mut panics = panics::report(self.scope, self.panics);
        panics.retain(|panic| {
            let at = &panic.spawned_at;
            !self.is_matched(|rule, unread| {
                rule.matches_unasked(panic.task, &panic.group, &panic.name, (&at.file, at.line), || {
                    *unread += 1;
                })
            })
        });
        panics
    }

    fn is_ignored(&mut self, leak: &Leak) -> bool {
        let at = &leak.spawned_at;
        self.is_matched(|rule, unread| {
            let waits = leak.waiting.iter();
            rule.matches_unasked(leak.task, &leak.group, &leak.name, (&at.file, at.line), || *unread += 1)
                || rule.matches_waits(waits.map(|wait| wait.frames.iter().map(|frame| frame.function.as_str())))
        })
    }

    /// Whether a rule matches. The first one counts it.
    fn is_matched(&mut self, mut matches: impl FnMut(&Ignore, &mut u64) -> bool) -> bool {
        let mut rules = self.rules.iter().zip(&mut self.unread);
        let matching = rules.position(|(rule, unread)| matches(rule, unread));
        if let Some(rule) = matching {
            self.matched[rule] += 1;
        }
        matching.is_some()
    }

    fn ignored(&self) -> Vec<Ignored> {
        let rules = self.rules.iter().zip(&self.matched).zip(&self.unread);
        rules
            .filter(|((rule, matched), _)| **matched > 0 || !rule.is_optional())
            .map(|((rule, matched), unread)| Ignored {
                rule: match unread {
                    0 => rule.describe(),
                    n => format!("{}, but the source of {n} leaks could not be read", rule.describe()),
                },
                reason: rule.reason().to_owned(),
                matched: *matched,
            })
            .collect()
    }
}

/// What became of a scope's tasks, by where they were spawned.
pub(crate) fn sites(scope: &Scope, leaks: &[Leak]) -> Vec<SiteSummary> {
    let mut leaked: HashMap<(&str, &str, &Place), u64> = HashMap::new();
    for leak in leaks {
        *leaked.entry((&leak.group, &leak.name, &leak.spawned_at)).or_default() += 1;
    }
    let mut sites: Vec<SiteSummary> = scope
        .sites()
        .into_iter()
        .map(|(site, counts)| {
            let (name, spawned_at) = (site.name.read(), Place::from(site.spawned_at));
            let leaked = leaked.get(&(&*site.group, name.as_str(), &spawned_at));
            let leaked = leaked.copied().unwrap_or_default();
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
                stopping: counts.stopping.summary(),
            }
        })
        .collect();
    sites.sort_unstable_by(|a, b| (&a.group, &a.name, &a.spawned_at).cmp(&(&b.group, &b.name, &b.spawned_at)));
    sites
}

pub(crate) fn leak(info: TaskInfo, state: LeakState, places: Places, told_to_stop: bool) -> Leak {
    let help = help::of(state, info.polling, &places, told_to_stop);
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
