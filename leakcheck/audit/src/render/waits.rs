//! A chain of awaits as lines: straight down where one future awaits one other, a tree where it branches.

use crate::report::{Await, Place};

/// One future of a chain.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// What is drawn in front of it: `├ `, `│ └ `.
    pub(super) tree: String,
    /// What is drawn in front of a line that goes on about it.
    pub(super) below: String,
    /// How many futures are around it.
    pub(super) depth: usize,
    /// The future.
    pub(super) awaits: &'a Await,
    /// Where it is suspended.
    pub(super) at: Option<&'a Place>,
}

/// The lines of a chain, the outermost future first. No depth exhausts the stack.
pub(super) fn lines(root: &Await) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut todo = vec![(root, 0, String::new(), String::new())];
    while let Some((awaits, depth, tree, below)) = todo.pop() {
        let alone = awaits.awaits.len() == 1;
        for (index, next) in awaits.awaits.iter().enumerate().rev() {
            let (branch, bar) = match index + 1 == awaits.awaits.len() {
                _ if alone => ("", ""),
                true => ("└ ", "  "),
                false => ("├ ", "│ "),
            };
            todo.push((next, depth + 1, format!("{below}{branch}"), format!("{below}{bar}")));
        }
        lines.push(Line {
            tree,
            below,
            depth,
            awaits,
            at: awaits.at.as_ref(),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future(name: &str, awaits: Vec<Await>) -> Await {
        Await {
            future: name.to_owned(),
            awaits,
            ..Await::default()
        }
    }

    #[test]
    fn a_chain_goes_straight_down_until_it_branches() {
        let leaf = |name| future(name, Vec::new());
        let branch = future("read", vec![future("fill", vec![leaf("tcp"), leaf("timer")])]);
        let root = future("run", vec![future("select!", vec![branch, leaf("recv")])]);

        let drawn: Vec<_> = lines(&root)
            .iter()
            .map(|line| format!("{}{}", line.tree, line.awaits.future))
            .collect();

        assert_eq!(
            drawn,
            ["run", "select!", "├ read", "│ fill", "│ ├ tcp", "│ └ timer", "└ recv"]
        );
    }
}
