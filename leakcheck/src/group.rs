//! The group that a task belongs to: its path, and what tells its tasks to stop.

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::info::SEPARATOR;
use crate::stop::{Moment, Stop};
use crate::sync::lock;

/// One tracker's place in the tree of trackers. Every clone of a tracker shares it.
#[derive(Debug)]
pub(crate) struct Group {
    path: Arc<str>,
    parent: Option<Arc<Group>>,
    stops: Mutex<Vec<Stop>>,
    #[cfg(feature = "metrics")]
    monitor: tokio_metrics::TaskMonitor,
}

impl Group {
    /// The group of a tracker that has no parent. Its name is the path of the tasks that it spawns itself.
    pub(crate) fn root(name: &str) -> Arc<Self> {
        Self::new(name.into(), None)
    }

    /// A group below this one. The root's name is left out of the path: it would be the same on every line.
    pub(crate) fn child(self: &Arc<Self>, name: &str) -> Arc<Self> {
        let path = match self.parent {
            None => name.into(),
            Some(_) => format!("{}{SEPARATOR}{name}", self.path).into(),
        };
        Self::new(path, Some(self.clone()))
    }

    fn new(path: Arc<str>, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            path,
            parent,
            stops: Mutex::default(),
            #[cfg(feature = "metrics")]
            monitor: tokio_metrics::TaskMonitor::new(),
        })
    }

    /// What is measured of this group's own tasks.
    #[cfg(feature = "metrics")]
    pub(crate) fn monitor(&self) -> &tokio_metrics::TaskMonitor {
        &self.monitor
    }

    /// The names from the topmost group to this one.
    pub(crate) fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// From now on, a task here that finishes after the cancellation of `token` counts as cancelled.
    pub(crate) fn cancelled_by(&self, token: &CancellationToken) {
        let mut stops = lock(&self.stops);
        // A tracker that is shut down again and again by one token needs it once.
        if !stops.iter().any(|stop| stop.is_of(token)) {
            stops.push(Stop::by(token));
        }
    }

    /// Whether a token of this group, or of a group above it, is cancelled.
    pub(crate) fn told_to_stop(&self) -> bool {
        self.upwards()
            .any(|group| lock(&group.stops).iter().any(Stop::is_cancelled))
    }

    /// The first moment at which a token of this group, or of a group above it, was cancelled.
    pub(crate) fn told_at(&self) -> Option<Moment> {
        let moments = self.upwards().filter_map(|group| {
            lock(&group.stops)
                .iter()
                .filter_map(Stop::moment)
                .min_by_key(|told| told.at)
        });
        moments.min_by_key(|told| told.at)
    }

    /// Whether this group is `other` or below it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.upwards().any(|group| std::ptr::eq(group, other))
    }

    fn upwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |group| group.parent.as_deref())
    }
}
