//! Reads the tree: where it is, which text files it holds, which of them are tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file, by its path from the root, with `/` between folders.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Finds the root of the workspace, two folders above this package.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// Reads every text file of the tree, sorted by path.
///
/// What git ignores (`target`, `.run`) and what is no UTF-8 is left out. Git itself is not asked,
/// so that an unpacked archive is checked as well.
pub(crate) fn read(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    walk(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_symlink() || matches!(name.as_str(), ".git" | "target" | ".run") {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push(File { path, text });
        }
    }
}

impl File {
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it holds tests and nothing that ships.
    pub(crate) fn is_test(&self) -> bool {
        let path = &self.path;
        self.is_rust()
            && (path.contains("/tests/")
                || path.ends_with("/tests.rs")
                || path.ends_with("_tests.rs"))
    }
}
