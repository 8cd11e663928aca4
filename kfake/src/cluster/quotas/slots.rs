//! The connections that a broker has, and those that wait to become one (`ConnectionQuotas`, KIP-402 and KIP-612).
//!
//! Apache Kafka's acceptor takes one connection after the other, and stands still while there is no slot for it, or while connections
//! come too fast. Here those that wait stand in a queue, and the first of them is the one that the acceptor would hold.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::limits::ConnectionLimits;
use super::rate::{Rate, Windows};
use super::store::Quotas;
use crate::cluster::topics::BrokerId;

/// A broker's connections.
#[derive(Debug)]
pub(crate) struct Slots {
    broker: BrokerId,
    windows: Windows,
    state: Mutex<State>,
    /// Counts the uses of the broker's connections.
    uses: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    limits: ConnectionLimits,
    /// New connections, whether or not they had to wait.
    rate: Rate,
    /// By their numbers, which count up.
    open: BTreeMap<u64, Open>,
    by_address: HashMap<String, usize>,
    queue: VecDeque<(u64, Arc<Notify>)>,
    next: u64,
}

#[derive(Debug)]
struct Open {
    used: Arc<Use>,
    address: String,
}

/// When a connection was used last, and what closes it. No lock, since each request says so.
#[derive(Debug)]
pub(crate) struct Use {
    uses: Arc<AtomicU64>,
    last: AtomicU64,
    task: OnceLock<AbortHandle>,
    closed: AtomicBool,
}

impl Use {
    /// Makes it the one that was used last: some of its bytes were read, or written to it (`Selector.pollSelectionKeys`, which tells its
    /// `IdleExpiryManager`). What is not read yet, since a request of the connection is being handled, is no use.
    pub fn now(&self) {
        // A connection that is the only one in use counts nothing.
        let latest = self.uses.load(Ordering::Relaxed);
        if self.last.load(Ordering::Relaxed) != latest {
            self.last
                .store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// The task that serves it.
    pub fn served_by(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.closed.load(Ordering::SeqCst) {
            task.abort();
        }
    }

    /// Drops the connection in the middle of whatever it does, as `Selector.close` does.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// A connection that has a slot for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    slots: Arc<Slots>,
    number: u64,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It is served.
    Open(Counted),
    /// It is closed at once: its address has as many connections as it may (`max.connections.per.ip`).
    Refused,
    /// It is closed after so long: its address opens too many (`SocketServer.DelayedCloseSocket`).
    Late(Duration),
}

/// Whether that is known yet.
#[derive(Debug)]
pub(crate) enum Knock {
    Known(Entry),
    Waits(Box<Ticket>),
}

/// A connection's place in the queue, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Ticket {
    slots: Arc<Slots>,
    number: u64,
    woken: Arc<Notify>,
    used: Arc<Use>,
    address: String,
    /// Before then it is too early; `None` while others are in front.
    until: Option<Instant>,
}

impl Slots {
    /// A broker without connections.
    pub fn new(broker: BrokerId, limits: ConnectionLimits, windows: Windows) -> Arc<Self> {
        Arc::new(Self {
            broker,
            windows,
            state: Mutex::new(State {
                limits,
                rate: Rate::default(),
                open: BTreeMap::new(),
                by_address: HashMap::new(),
                queue: VecDeque::new(),
                next: 0,
            }),
            uses: Arc::default(),
        })
    }

    /// For a new connection of the broker.
    pub fn new_use(&self) -> Arc<Use> {
        Arc::new(Use {
            uses: self.uses.clone(),
            last: AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed) + 1),
            task: OnceLock::new(),
            closed: AtomicBool::new(false),
        })
    }

    /// Begins to measure anew how fast connections come, as a broker that is started again does.
    pub fn forget_rate(&self) {
        self.state.lock().rate = Rate::default();
    }

    /// A new connection comes. It waits behind those that came before.
    pub fn knock(self: &Arc<Self>, quotas: &Quotas, used: &Arc<Use>, address: &str) -> Knock {
        let mut state = self.state.lock();
        let mut until = None;
        if state.queue.is_empty() {
            let wait = state.begins(self.windows);
            if wait.is_zero() && state.has_slot() {
                return Knock::Known(self.enter(&mut state, quotas, used, address));
            }
            until = Some(Instant::now() + wait);
        }
        let number = state.number();
        let woken = Arc::new(Notify::new());
        state.queue.push_back((number, woken.clone()));
        Knock::Waits(Box::new(Ticket {
            slots: self.clone(),
            number,
            woken,
            used: used.clone(),
            address: address.to_owned(),
            until,
        }))
    }

    /// Follows other limits: those that wait may come in, and where there are too many the ones used longest ago are closed
    /// (`Processor.closeExcessConnections`). A connection that is made to wait for coming too fast waits as long as it was told to.
    pub fn limit(&self, limits: ConnectionLimits) {
        let mut state = self.state.lock();
        let excess = state.open.len().saturating_sub(limits.broker);
        state.limits = limits;
        let mut closed = Vec::new();
        if excess > 0 {
            let age = |(number, open): (&u64, &Open)| (open.used.last.load(Ordering::Relaxed), *number);
            let mut all: Vec<_> = state.open.iter().map(age).collect();
            all.sort_unstable();
            for (_, number) in &all[..excess] {
                closed.extend(state.remove(*number));
            }
        }
        state.wake_first();
        drop(state);
        for one in closed {
            one.used.close();
        }
    }

    /// Gives a slot to a connection, if its address may have one.
    fn enter(self: &Arc<Self>, state: &mut State, quotas: &Quotas, used: &Arc<Use>, address: &str) -> Entry {
        let wait = quotas.connects(self.broker, address, self.windows);
        if !wait.is_zero() {
            // It counts neither for the broker.
            state.rate.record(-1.0, Instant::now(), self.windows);
            return Entry::Late(wait);
        }
        let most = state.limits.of_address(address);
        let count = state.by_address.get(address).copied().unwrap_or(0);
        if count >= most {
            return Entry::Refused;
        }
        state.by_address.insert(address.to_owned(), count + 1);
        let number = state.number();
        used.now();
        let open = Open {
            used: used.clone(),
            address: address.to_owned(),
        };
        state.open.insert(number, open);
        Entry::Open(Counted {
            slots: self.clone(),
            number,
        })
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Counts a connection as one that comes now; how long it has to wait for coming too soon, a window at most.
    fn begins(&mut self, windows: Windows) -> Duration {
        let now = Instant::now();
        self.rate.record(1.0, now, windows);
        self.rate.wait(self.limits.rate, now, windows).min(windows.size)
    }

    fn has_slot(&self) -> bool {
        self.open.len() < self.limits.broker.min(self.limits.listener)
    }

    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Place::Occupied(mut count) = self.by_address.entry(open.address.clone()) {
            match *count.get() {
                ..=1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
        Some(open)
    }

    fn wake_first(&self) {
        if let Some((_, first)) = self.queue.front() {
            first.notify_one();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        // One that was closed for being too many has no slot any more.
        if state.remove(self.number).is_some() {
            state.wake_first();
        }
    }
}

impl Ticket {
    /// Waits for the connection's turn and for a slot. Cancel safe: the place in the queue is given up with the ticket.
    pub async fn entry(&mut self, quotas: &Quotas) -> Entry {
        loop {
            let early = {
                let mut state = self.slots.state.lock();
                let is_first = state.queue.front().is_some_and(|(number, _)| *number == self.number);
                if is_first {
                    let until = match self.until {
                        Some(until) => until,
                        None => Instant::now() + state.begins(self.slots.windows),
                    };
                    self.until = Some(until);
                    let is_early = until > Instant::now();
                    if !is_early && state.has_slot() {
                        state.queue.pop_front();
                        let entry = self.slots.enter(&mut state, quotas, &self.used, &self.address);
                        state.wake_first();
                        return entry;
                    }
                    is_early.then_some(until)
                } else {
                    None
                }
            };
            match early {
                Some(until) => tokio::time::sleep_until(until).await,
                None => self.woken.notified().await,
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        let was_first = state.queue.front().is_some_and(|(number, _)| *number == self.number);
        state.queue.retain(|(number, _)| *number != self.number);
        if was_first {
            state.wake_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::tests::limits;
    use super::*;

    const WINDOWS: Windows = Windows {
        number: 11,
        size: Duration::from_secs(1),
    };

    fn slots(values: &[(&str, &str)]) -> Arc<Slots> {
        Slots::new(BrokerId(1), limits(values), WINDOWS)
    }

    fn knock(slots: &Arc<Slots>) -> (Arc<Use>, Knock) {
        let used = slots.new_use();
        let knock = slots.knock(&Quotas::default(), &used, "127.0.0.1");
        (used, knock)
    }

    fn open(slots: &Arc<Slots>) -> (Arc<Use>, Counted) {
        match knock(slots) {
            (used, Knock::Known(Entry::Open(counted))) => (used, counted),
            other => panic!("no slot: {other:?}"),
        }
    }

    fn ticket(slots: &Arc<Slots>) -> Ticket {
        match knock(slots) {
            (_, Knock::Waits(ticket)) => *ticket,
            other => panic!("it does not wait: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_its_place_lets_the_next_one_in() {
        let (slots, quotas) = (slots(&[("max.connections", "1")]), Quotas::default());
        let (_, held) = open(&slots);
        let first = ticket(&slots);
        let (mut second, mut third) = (ticket(&slots), ticket(&slots));
        drop(held);
        // Nobody overtakes, though there is a slot.
        assert!(matches!(knock(&slots).1, Knock::Waits(_)));
        let (one, ()) = tokio::join!(second.entry(&quotas), async { drop(first) });
        drop(second);
        let (Entry::Open(one), mut rest) = (one, Box::pin(third.entry(&quotas))) else {
            panic!("no slot");
        };
        assert!(futures_pending(&mut rest).await);
        drop(one);
        assert!(matches!(rest.await, Entry::Open(_)));
    }

    async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_connections_used_longest_ago_are_closed_and_the_others_keep_their_slots() {
        let slots = slots(&[]);
        let all: Vec<_> = (0..4).map(|_| open(&slots)).collect();
        for used in [1, 3, 0, 1] {
            all[used].0.now();
        }
        slots.limit(limits(&[("max.connections", "2")]));
        let closed: Vec<_> = all.iter().map(|(used, _)| used.closed.load(Ordering::SeqCst)).collect();
        assert_eq!(closed, [false, false, true, true]);
        let mut waits = ticket(&slots);
        let quotas = Quotas::default();
        let mut entry = Box::pin(waits.entry(&quotas));
        let mut all = all.into_iter();
        let kept: Vec<_> = all.by_ref().take(2).collect();
        drop(all);
        assert!(
            futures_pending(&mut entry).await,
            "they had lost their slots before they were gone"
        );
        drop(kept);
        assert!(matches!(entry.await, Entry::Open(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn each_that_comes_too_fast_waits_for_itself_and_then_for_a_slot() {
        let slots = slots(&[("max.connection.creation.rate", "2"), ("max.connections", "21")]);
        let quotas = Quotas::default();
        let mut all: Vec<_> = (0..20).map(|_| open(&slots)).collect();
        let (mut first, mut second) = (ticket(&slots), ticket(&slots));
        let before = Instant::now();
        let first = first.entry(&quotas).await;
        assert!(matches!(first, Entry::Open(_)));
        assert_eq!(before.elapsed(), Duration::from_millis(500));
        let mut entry = Box::pin(second.entry(&quotas));
        let late = tokio::time::timeout(Duration::from_secs(60), &mut entry).await;
        assert!(late.is_err(), "there is no slot");
        drop(all.pop());
        assert!(matches!(entry.await, Entry::Open(_)));
        assert_eq!(before.elapsed(), Duration::from_millis(60_500));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_its_address_may_not_open_counts_for_nobody() {
        let slots = slots(&[("max.connections.per.ip", "1"), ("max.connections", "2")]);
        let (_, held) = open(&slots);
        assert!(matches!(knock(&slots).1, Knock::Known(Entry::Refused)));
        drop(held);
        open(&slots);
    }
}
