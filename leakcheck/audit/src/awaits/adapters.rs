//! The futures that are made of other futures, by their names: what is seen through, what waits for the first and what for all.
//!
//! Only names are kept here, never layouts, as with the [leaves](super::leaf).

/// Futures that only hand on what one future inside does, and whatever else they hold is their own business: they are not shown.
const SEEN_THROUGH: &[&str] = &[
    "tracing::instrument::Instrumented",
    "tracing::instrument::WithDispatch",
    "tokio_util::task::task_tracker::TrackedFuture",
    "tokio_util::task::abort_on_drop::AbortOnDropHandle",
    "tokio::task::task_local::TaskLocalFuture",
    "tokio::task::coop::unconstrained::Unconstrained",
    "tokio::task::coop::Coop",
    "tokio_metrics::task::Instrumented",
    "leakcheck::task::Tracked",
    "tokio_stream::stream_ext::next::Next",
    "futures_util::stream::stream::next::Next",
    "futures_util::stream::futures_ordered::OrderWrapper",
    "futures_util::abortable::Abortable",
    "tower::util::map_result::MapResultFuture",
    "tower::util::map_err::MapErrFuture",
    "tower::util::map_response::MapResponseFuture",
    "tower::util::either::EitherResponseFuture",
    "core::panic::unwind_safe::AssertUnwindSafe",
    "core::pin::Pin",
    "core::option::Option",
    "core::cell::UnsafeCell",
    "core::mem::manually_drop::ManuallyDrop",
    "core::mem::maybe_uninit::MaybeUninit",
    "core::mem::maybe_dangling::MaybeDangling",
    "core::future::into_future::IntoFuture",
];

/// Where every type polls the one future that it holds, and does something to what comes out.
const SEEN_THROUGH_IN: &[&str] = &[
    "futures_util::future::future::",
    "futures_util::future::try_future::",
    "futures_util::future::either::",
    "futures_util::future::option::",
    "futures_util::stream::once::",
];

/// Futures that end at a moment whatever the future inside does.
const TIMEOUTS: &[&str] = &[
    "tokio::time::timeout::Timeout",
    "tower::timeout::future::ResponseFuture",
    "tower_http::timeout::service::ResponseFuture",
];

/// Futures that end with the first of those that they hold.
const SELECTS: &[&str] = &[
    "tokio_util::sync::cancellation_token::RunUntilCancelledFuture",
    "tokio_util::sync::cancellation_token::RunUntilCancelledFutureOwned",
    "futures_util::future::select::Select",
    "futures_util::future::try_select::TrySelect",
    "futures_util::future::select_all::SelectAll",
    "futures_util::future::select_ok::SelectOk",
];

/// Futures that wait for all that they hold.
const JOINS: &[&str] = &[
    "futures_util::future::join::Join",
    "futures_util::future::join::Join3",
    "futures_util::future::join::Join4",
    "futures_util::future::join::Join5",
    "futures_util::future::try_join::TryJoin",
    "futures_util::future::try_join::TryJoin3",
    "futures_util::future::try_join::TryJoin4",
    "futures_util::future::try_join::TryJoin5",
    "futures_util::future::join_all::JoinAll",
    "futures_util::future::try_join_all::TryJoinAll",
];

/// Those of the two that hold any number of futures.
const COLLECTIONS: &[&str] = &[
    "futures_util::future::join_all::JoinAll",
    "futures_util::future::try_join_all::TryJoinAll",
    "futures_util::future::select_all::SelectAll",
    "futures_util::future::select_ok::SelectOk",
];

/// Traits whose objects are futures, or wait as futures do.
const WAITING_TRAITS: &[&str] = &[
    "core::future::future::Future",
    "futures_core::future::FusedFuture",
    "futures_core::stream::Stream",
    "futures_core::stream::FusedStream",
    "hyper::rt::timer::Sleep",
];

pub(super) fn is_seen_through(path: &str) -> bool {
    SEEN_THROUGH.contains(&path) || SEEN_THROUGH_IN.iter().any(|start| path.starts_with(start))
}

pub(super) fn is_timeout(path: &str) -> bool {
    TIMEOUTS.contains(&path)
}

pub(super) fn is_select(path: &str) -> bool {
    SELECTS.contains(&path)
}

pub(super) fn is_join(path: &str) -> bool {
    JOINS.contains(&path)
}

pub(super) fn is_collection(path: &str) -> bool {
    COLLECTIONS.contains(&path)
}

/// Whether a type of this name is a pointer to an object of a trait that waits.
pub(super) fn is_waiting_object(name: &str) -> bool {
    let Some((_, object)) = name.split_once("dyn ") else {
        return false;
    };
    let end = object.find(['<', '>', '+', ',', ' ']).unwrap_or(object.len());
    WAITING_TRAITS.contains(&&object[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_wait_are_known_by_their_trait() {
        for waits in [
            "alloc::boxed::Box<dyn core::future::future::Future<Output=()>, alloc::alloc::Global>",
            "&mut dyn core::future::future::Future<Output=u8>",
            "alloc::boxed::Box<(dyn futures_core::stream::Stream<Item=u8> + core::marker::Send), alloc::alloc::Global>",
            "alloc::boxed::Box<dyn hyper::rt::timer::Sleep, alloc::alloc::Global>",
        ] {
            assert!(is_waiting_object(waits), "{waits}");
        }
        for other in [
            "alloc::boxed::Box<dyn core::any::Any, alloc::alloc::Global>",
            "alloc::boxed::Box<dyn mine::Future, alloc::alloc::Global>",
            "alloc::vec::Vec<u8, alloc::alloc::Global>",
        ] {
            assert!(!is_waiting_object(other), "{other}");
        }
    }
}
