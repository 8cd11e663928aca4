//! Where a task waited, from the copy of its block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::records::Copy;
use crate::awaits::{Copied, Program};

/// The programs whose debug info was asked for; `None` where it has no types.
pub(super) struct Waiting<'a> {
    workspace: &'a Path,
    programs: HashMap<PathBuf, Option<Program>>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(workspace: &'a Path) -> Self {
        Self {
            workspace,
            programs: HashMap::new(),
        }
    }

    /// The tree of awaits of a copied block. `stack` is what allocated it: return addresses in this object, without `bias`.
    pub(super) fn tree(&mut self, object: &Path, stack: &[u64], copy: &Copy, bias: u64) -> Option<String> {
        let open = || Program::open(object).ok();
        let program = self.programs.entry(object.to_owned()).or_insert_with(open).as_ref()?;
        let task = stack.iter().find_map(|address| program.task_at(*address))?;
        let memory = Copied {
            address: copy.address,
            bytes: &copy.bytes,
            bias,
        };
        let mut tree = task.decode(&memory, copy.address);
        tree.map_files(&mut |file| {
            let own = Path::new(file).strip_prefix(self.workspace);
            own.map_or_else(|_| file.to_owned(), |own| own.display().to_string())
        });
        Some(tree.to_string())
    }
}
