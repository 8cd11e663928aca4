//! As little as the decoder takes for a task: the names are what it looks for, the layout is this one's own.
#![no_std]
#![crate_name = "tokio"]
#![allow(dead_code, reason = "there for its debug info")]

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

pub mod runtime {
    pub mod task {
        pub mod core {
            pub enum Stage<T> {
                Running(T),
                Finished(Result<u8, u16>),
                Consumed,
            }

            pub struct Cell<T, S> {
                pub header: [u8; 3],
                pub scheduler: S,
                pub stage: Stage<T>,
            }

            impl<T, S> Cell<T, S> {
                #[inline(never)]
                pub fn new(scheduler: S, future: T) -> Cell<T, S> {
                    Cell {
                        header: [1, 2, 3],
                        scheduler,
                        stage: Stage::Running(future),
                    }
                }
            }
        }
    }
}

struct Never(u8);

impl Future for Never {
    type Output = u8;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        Poll::Pending
    }
}

async fn inner(object: Pin<&mut dyn Future<Output = u8>>) -> u8 {
    object.await.wrapping_add(Never(2).await)
}

async fn outer(first: Option<Never>) -> u8 {
    let never = core::pin::pin!(Never(3));
    let sum = inner(never).await;
    match first {
        Some(first) => first.await.wrapping_add(sum),
        None => sum,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn make(first: u8) {
    let mut cell = runtime::task::core::Cell::new(7_u16, outer(Some(Never(first))));
    if let runtime::task::core::Stage::Running(future) = &mut cell.stage {
        // SAFETY: it is not moved any more.
        let future = unsafe { Pin::new_unchecked(future) };
        let _ = core::hint::black_box(future).poll(&mut Context::from_waker(core::task::Waker::noop()));
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
