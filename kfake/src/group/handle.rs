//! A group as its clients and its task share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leakcheck::TaskTracker;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::classic::ClassicGroup;
use super::manage::manage;
use super::registry::Groups;
use super::request::Request;
use super::view::{GroupState, GroupView};
use crate::cluster::state::Shared;

/// Requests that a group keeps before those who send more must wait.
const QUEUE: usize = 64;

/// Why a group's task was not ended.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EndGroupError {
    /// The group has members.
    #[error("the group is not empty")]
    NotEmpty,
    /// There is no such group, or its task has ended before.
    #[error("the group has no task")]
    NotRunning,
}

/// A group. Its queue outlives its task: a request that arrives when the task has ended starts the next one.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: Arc<str>,
    pub state: Mutex<ClassicGroup>,
    /// Boxed: a queue has room for 32 requests from its first on, and a request is some hundred bytes.
    pub queue: mpsc::Sender<Box<Request>>,
    /// The queue's other end, while no task has it.
    inbox: Mutex<Option<mpsc::Receiver<Box<Request>>>>,
    /// Wakes the task to look at the two flags.
    pub control: Notify,
    pub stalled: AtomicBool,
    pub retiring: AtomicBool,
    /// The group's task. Closed from the start, so that whoever waits is told when there is none.
    pub tasks: TaskTracker,
}

impl Group {
    /// A group whose task is spawned through `tasks`.
    pub fn new(id: Arc<str>, tasks: TaskTracker) -> Arc<Self> {
        let (queue, inbox) = mpsc::channel(QUEUE);
        tasks.close();
        Arc::new(Self {
            state: Mutex::new(ClassicGroup::new(id.clone())),
            id,
            queue,
            inbox: Mutex::new(Some(inbox)),
            control: Notify::new(),
            stalled: AtomicBool::new(false),
            retiring: AtomicBool::new(false),
            tasks,
        })
    }

    /// Sees to it that a task takes the requests of the queue. To be called behind each that was put in.
    pub fn ensure_running(self: &Arc<Self>, groups: &Arc<Groups>) {
        let Some(inbox) = self.inbox.lock().take() else {
            return;
        };
        // On the runtime that the cluster was started on: the group outlives whoever asks first.
        let manage = manage(groups.clone(), self.clone(), inbox);
        self.tasks.spawn_named_on("manage", manage, &groups.shared.runtime);
    }

    /// Answers a request that is simple in the task of who asks, as the group's task would: that spares the way to it and back, which
    /// costs more than a heartbeat itself. Gives it back where that would not do: there are requests before it, the task has
    /// something else to do first, or there is none.
    pub fn answer_at_once(&self, groups: &Arc<Groups>, request: Request) -> Result<(), Box<Request>> {
        let is_idle = self.queue.capacity() == self.queue.max_capacity()
            && !self.stalled.load(Ordering::Acquire)
            && !self.retiring.load(Ordering::Acquire);
        if !request.is_simple() || !is_idle || !self.is_running() {
            return Err(Box::new(request));
        }
        // Who waits for the lock holds up all that its thread has to do.
        let Some(mut state) = groups.try_open(self) else {
            return Err(Box::new(request));
        };
        let now = Instant::now();
        let deadline = state.deadline();
        if state.state == GroupState::Dead || deadline.is_some_and(|at| at <= now) {
            return Err(Box::new(request));
        }
        let before = state.state;
        state.handle(request, now, groups);
        let is_nearer = state
            .deadline()
            .is_some_and(|at| deadline.is_none_or(|before| at < before));
        let expires_at = may_expire(&mut state, before, &groups.shared);
        drop(state);
        if is_nearer {
            // The task sleeps until the deadline that there was.
            self.control.notify_one();
        }
        if let Some(at_ms) = expires_at {
            groups.expires_at(at_ms);
        }
        groups.changed();
        Ok(())
    }

    /// Takes the queue's end back from a task that ends, unless a request has come in meanwhile.
    pub fn put_back(&self, inbox: mpsc::Receiver<Box<Request>>) -> Result<(), mpsc::Receiver<Box<Request>>> {
        let mut slot = self.inbox.lock();
        if !inbox.is_empty() {
            return Err(inbox);
        }
        *slot = Some(inbox);
        Ok(())
    }

    /// Takes the queue's end back at the cluster's end: nobody waits for what is in it.
    pub fn abandon(&self, inbox: mpsc::Receiver<Box<Request>>) {
        *self.inbox.lock() = Some(inbox);
    }

    /// Makes an end of a group whose task was torn down in the middle: what it had is lost, and the next request begins
    /// anew.
    pub fn perish(self: &Arc<Self>, groups: &Groups) {
        self.state.lock().state = GroupState::Dead;
        groups.remove_this(self, false);
        groups.changed();
    }

    pub fn is_dead(&self) -> bool {
        self.state.lock().state == GroupState::Dead
    }

    pub fn is_running(&self) -> bool {
        self.inbox.lock().is_none()
    }

    /// No members, and nobody about to become one.
    pub fn is_empty(&self) -> bool {
        self.state.lock().is_memberless()
    }

    pub fn phase(&self) -> GroupState {
        self.state.lock().state
    }

    /// When the first thing of the group may expire, if a request or the time has brought that nearer since `before`.
    pub fn may_expire(&self, before: GroupState, shared: &Shared) -> Option<i64> {
        may_expire(&mut self.state.lock(), before, shared)
    }

    pub fn ask_to_retire(&self) -> Result<(), EndGroupError> {
        if !self.is_running() {
            return Err(EndGroupError::NotRunning);
        }
        if !self.is_empty() {
            return Err(EndGroupError::NotEmpty);
        }
        self.retiring.store(true, Ordering::Release);
        self.control.notify_one();
        Ok(())
    }

    pub fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Release);
        self.control.notify_one();
    }

    pub fn view(&self) -> GroupView {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        self.state.lock().view(queued)
    }
}

fn may_expire(state: &mut ClassicGroup, before: GroupState, shared: &Shared) -> Option<i64> {
    let of_commits = state.expires_first_ms.take();
    let is_new = state.state_since_ms.is_none();
    if !is_new && state.state == before {
        return of_commits;
    }
    let now_ms = shared.now_ms();
    state.state_since_ms = Some(now_ms);
    if let Some(stored) = &mut state.stored {
        stored.since_ms.get_or_insert(now_ms);
    }
    state.expires_first(now_ms, shared.config.offsets_retention.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
    use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
    use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, SyncGroupRequest};
    use kafka_protocol::protocol::StrBytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::group::queue::{Missing, ask};
    use crate::group::request::ClientInfo;

    const SESSION: Duration = Duration::from_secs(10);

    struct Given {
        groups: Arc<Groups>,
        group: Arc<Group>,
        heartbeat: HeartbeatRequest,
    }

    impl Given {
        /// A stable group of one member.
        async fn stable() -> Self {
            let groups = Arc::new(Groups::new(Arc::new(Shared::of_one_broker())));
            let id = StrBytes::from_static_str("billing");
            let protocol = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range"));
            let join = JoinGroupRequest::default()
                .with_group_id(id.clone().into())
                .with_session_timeout_ms(SESSION.as_millis() as i32)
                .with_rebalance_timeout_ms(60_000)
                .with_protocol_type(StrBytes::from_static_str("consumer"))
                .with_protocols(vec![protocol]);
            let client = Arc::new(ClientInfo {
                id: "client".to_owned(),
                host: "/host".to_owned(),
            });
            let joined = ask(&groups, "billing", Missing::Create, |reply| {
                Request::Join(join.clone(), 3, client.clone(), groups.moves(), reply)
            });
            let joined = joined.await.unwrap().unwrap();
            let assignment = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
            let sync = SyncGroupRequest::default()
                .with_group_id(id.clone().into())
                .with_generation_id(joined.generation_id)
                .with_member_id(joined.member_id.clone())
                .with_assignments(vec![assignment]);
            let synced = ask(&groups, "billing", Missing::Leave, |reply| {
                Request::Sync(sync.clone(), groups.moves(), reply)
            });
            assert_eq!(synced.await.unwrap().unwrap().error_code, 0);
            Self {
                group: groups.get("billing").unwrap(),
                groups,
                heartbeat: HeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_generation_id(joined.generation_id)
                    .with_member_id(joined.member_id),
            }
        }

        fn request(&self) -> (Request, oneshot::Receiver<HeartbeatResponse>) {
            let (reply, answer) = oneshot::channel();
            (Request::Heartbeat(self.heartbeat.clone(), reply), answer)
        }

        /// The error of a heartbeat that is answered at once; none where it is not.
        fn beat(&self) -> Option<i16> {
            let (request, mut answer) = self.request();
            self.group.answer_at_once(&self.groups, request).ok()?;
            Some(answer.try_recv().expect("it is answered by now").error_code)
        }

        async fn close(self) {
            let shared = &self.groups.shared;
            shared.exits.shut_down();
            shared.tasks.all.close();
            shared.tasks.all.wait().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_is_answered_at_once_unless_the_task_has_something_to_do_first() {
        let given = Given::stable().await;
        assert_eq!(given.beat(), Some(0));
        let group = &given.group;

        let open = group.state.lock();
        assert_eq!(given.beat(), None, "somebody else has the group");
        drop(open);

        let (before, _answer) = given.request();
        group.queue.try_send(Box::new(before)).unwrap();
        assert_eq!(given.beat(), None, "there is a request before it");
        tokio::task::yield_now().await;
        assert_eq!(given.beat(), Some(0), "it has been handled");

        group.stall(true);
        assert_eq!(given.beat(), None, "the group takes none");
        group.stall(false);
        assert_eq!(given.beat(), Some(0));

        group.state.lock().next_session = Some(Instant::now());
        assert_eq!(given.beat(), None, "a session may be over");
        given.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_a_heartbeat_brings_nearer_is_kept() {
        let given = Given::stable().await;
        let (group, id) = (given.group.clone(), given.heartbeat.member_id.clone());
        // As of a member that waited for others, which has no session while it does.
        {
            let mut state = group.state.lock();
            state.members.get_mut(&id).unwrap().session_deadline = None;
            state.next_session = Some(Instant::now() + 100 * SESSION);
        }
        group.control.notify_one();
        tokio::task::yield_now().await;

        assert_eq!(given.beat(), Some(0));
        tokio::time::sleep(2 * SESSION).await;
        assert!(group.is_empty(), "the session that began with the heartbeat is over");
        given.close().await;
    }
}
