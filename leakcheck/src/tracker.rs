use std::borrow::Cow;
use std::future::Future;
use tokio::task::JoinHandle;

/// A task tracker.
#[derive(Clone, Default, Debug)]
pub struct TaskTracker(tokio_util::task::TaskTracker);

#[allow(missing_docs, reason = "a stand-in until the real tracker lands")]
impl TaskTracker {
    pub fn named(_name: impl Into<Cow<'static, str>>) -> Self {
        Self::default()
    }
    pub fn group(&self, _name: impl Into<Cow<'static, str>>) -> Self {
        self.clone()
    }
    pub fn cancelled_by(self, _token: &tokio_util::sync::CancellationToken) -> Self {
        self
    }
    pub fn spawn_named<F>(&self, _name: impl Into<Cow<'static, str>>, f: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(f)
    }
    pub fn close(&self) -> bool {
        self.0.close()
    }
    pub async fn wait(&self) {
        self.0.wait().await;
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
