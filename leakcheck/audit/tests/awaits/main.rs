//! What the decoder reads out of tasks that wait in every way there is.

mod fixture;

use fixture::{Build, Run};

#[test]
fn everything() {
    let profile = std::env::var("PROFILE").unwrap_or("dev".into());
    let run = Run::of(
        &Build {
            profile: profile.leak(),
            ..Build::DEV
        }
        .run(),
    );
    let mut names: Vec<_> = run
        .cells
        .iter()
        .map(|cell| cell.name.clone())
        .filter(|n| !n.is_empty())
        .collect();
    names.dedup();
    for name in names {
        let start = std::time::Instant::now();
        let t = run.tree(&name);
        println!("== {name} {:?}\n{}", start.elapsed(), t);
        let c = run.tree_of_cell(&name);
        if c != t {
            println!("-- alone\n{c}")
        }
    }
}
