//! The files that a process ran from, which may have other names by now, or be gone.
//!
//! A program that is built again while its tests run has its old name and other code: the names that it gives to the addresses
//! that were recorded are somebody else's, and tasks were judged by them, or not seen at all. cargo puts each build into `deps`
//! under a name of its own, and links it to where it is run from: what is built again with other features is still there.

use std::path::{Path, PathBuf};

use super::records::{FileId, Process};

/// Gives each file of a process the path where it can be read by now. `false` where one was replaced and is nowhere to be found: what
/// has its name by now would be believed, and wrong.
pub(super) fn locate(process: &mut Process) -> bool {
    for object in &mut process.objects {
        let Some(id) = object.file else { continue };
        let path = if object.path.is_empty() {
            &mut process.executable
        } else {
            &mut object.path
        };
        match find(Path::new(&*path), id) {
            Found::There => (),
            Found::At(moved) => *path = moved.to_string_lossy().into_owned(),
            Found::Replaced => return false,
        }
    }
    true
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Where it was, or gone with nothing in its place.
    There,
    At(PathBuf),
    /// Another file has its name.
    Replaced,
}

#[cfg(unix)]
fn find(path: &Path, id: FileId) -> Found {
    use std::os::unix::fs::{DirEntryExt, MetadataExt};

    let is_it = |path: &Path| {
        let id_of = |file: std::fs::Metadata| FileId {
            inode: file.ino(),
            written_ns: file.mtime().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec()) as u64,
        };
        std::fs::metadata(path).is_ok_and(|file| id_of(file) == id)
    };
    if is_it(path) {
        return Found::There;
    }
    // As the kernel names what was deleted while it ran.
    let name = path.to_string_lossy();
    let named = Path::new(name.strip_suffix(" (deleted)").unwrap_or(&name));
    let directory = named.parent().unwrap_or(Path::new("/"));
    for directory in [directory.join("deps"), directory.to_owned()] {
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut same = files.filter(|file| file.ino() == id.inode);
        if let Some(found) = same.find(|file| is_it(&file.path())) {
            return Found::At(found.path());
        }
    }
    if named.exists() { Found::Replaced } else { Found::There }
}

/// Nothing is recorded elsewhere.
#[cfg(not(unix))]
fn find(_: &Path, _: FileId) -> Found {
    Found::There
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn id(path: &Path) -> FileId {
        let file = std::fs::metadata(path).expect("a file");
        FileId {
            inode: file.ino(),
            written_ns: (file.mtime() * 1_000_000_000 + file.mtime_nsec()) as u64,
        }
    }

    #[test]
    fn a_build_is_found_where_cargo_keeps_it_and_its_successor_is_not_taken_for_it() {
        let room = tempfile::tempdir().expect("a directory");
        let (program, deps) = (room.path().join("program"), room.path().join("deps"));
        std::fs::create_dir(&deps).expect("created");
        let kept = deps.join("program-0123456789abcdef");
        std::fs::write(&kept, "old").expect("written");
        std::fs::hard_link(&kept, &program).expect("linked");
        let old = id(&program);
        assert_eq!(find(&program, old), Found::There);

        std::fs::remove_file(&program).expect("removed");
        std::fs::write(&program, "new").expect("written");
        assert_eq!(find(&program, old), Found::At(kept.clone()));
        assert_eq!(find(&program, id(&program)), Found::There);

        std::fs::remove_file(&kept).expect("removed");
        assert_eq!(find(&program, old), Found::Replaced);
        std::fs::remove_file(&program).expect("removed");
        assert_eq!(find(&program, old), Found::There);
        assert_eq!(find(&room.path().join("program (deleted)"), old), Found::There);
    }

    #[test]
    fn what_was_written_over_in_its_place_is_another() {
        let room = tempfile::tempdir().expect("a directory");
        let program = room.path().join("program");
        std::fs::write(&program, "old").expect("written");
        let before = FileId {
            written_ns: id(&program).written_ns - 1,
            ..id(&program)
        };
        assert_eq!(find(&program, before), Found::Replaced);
    }
}
