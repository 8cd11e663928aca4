//! Functions with the names of tokio's, and blocks of memory in place of its tasks. Part of the canary.

#![allow(missing_docs)]

pub mod runtime {
    pub mod task {
        pub mod list {
            /// A path as a panic in tokio would name it: it is how a program with tokio in it is known.
            #[used]
            static PATH: &str = "/tokio-1.29.0/src/runtime/task/list.rs";

            #[repr(align(128))]
            pub struct Cell([u64; 16]);

            #[derive(Default)]
            pub struct OwnedTasks(Vec<Box<Cell>>);

            impl OwnedTasks {
                #[inline(never)]
                pub fn bind(&mut self) {
                    self.0.push(Box::new(Cell([0; 16])));
                    std::hint::black_box(PATH);
                }

                #[inline(never)]
                pub fn close_and_shutdown_all(&mut self) {
                    std::hint::black_box(self).0.clear();
                }

                #[inline(never)]
                pub fn run(&mut self) {
                    std::hint::black_box(self).0.clear();
                }
            }
        }
    }
}
