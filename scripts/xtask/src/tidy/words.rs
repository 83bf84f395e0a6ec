//! Words that must not be in the tree: what was left unfinished, and the paths of one machine.

use super::Finding;
use crate::tree::File;

/// Each word and why it is refused. They are written in halves, since this file is in the tree too.
const REFUSED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "unfinished"),
    (concat!("un", "implemented!("), "unfinished"),
    (concat!("FIX", "ME"), "unfinished"),
    (concat!("X", "XX"), "unfinished"),
    (concat!("TO", "DO"), "unfinished: an issue holds what is left to do"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("../sh", "ared"), "a path outside the tree"),
    (concat!("#[ign", "ore"), "a test that does not run proves nothing"),
    (concat!("#[should", "_panic"), "say what fails, and how"),
];

/// Checks every line of one file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let written_by_others =
        matches!(file.path.as_str(), "Cargo.lock" | "LICENSE-MIT" | "LICENSE-APACHE")
            || file.path.contains("/fixtures/");
    if written_by_others {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for (word, why) in REFUSED.iter().filter(|(word, _)| says(line, word)) {
            found.push(Finding::Problem(format!("{}:{}: {word} ({why})", file.path, number + 1)));
        }
    }
    found
}

/// Whether a line says a word, and not another that contains it: `../../shared` is inside the tree,
/// a currency code between quotes is no marker.
fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        let alone = |c: Option<char>| {
            c.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '/' | '"'))
        };
        let ends_open =
            word.ends_with(|c: char| !c.is_alphabetic()) || word.starts_with(['.', '#']);
        alone(before) && (ends_open || alone(after))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{file, refused};
    use super::*;

    #[test]
    fn every_refused_word_is_found() {
        for (word, why) in REFUSED {
            let text = format!("fine\nlet a = 1; // {word} here\n");
            refused(&check(&file("services/x/src/a.rs", &text)), why);
            refused(&check(&file("docs/a.md", &format!("({word} x)\n"))), "docs/a.md:1");
        }
    }

    #[test]
    fn longer_words_and_paths_inside_the_tree_are_fine() {
        for fine in [
            concat!("mktemp fetch.X", "XXXXX"),
            concat!("\"X", "XX\""),
            concat!("include_str!(\"../../sh", "ared/x.rs\")"),
            concat!("https://example.com/wo", "rk/x"),
            concat!("MAS", "TO", "DON"),
        ] {
            assert_eq!(check(&file("a.rs", fine)), [], "{fine}");
        }
    }

    #[test]
    fn what_others_wrote_is_not_read() {
        let bad = concat!("FIX", "ME");
        assert_eq!(check(&file("Cargo.lock", bad)), []);
        assert_eq!(check(&file("shared/suppliers/fixtures/rapid/published/a.json", bad)), []);
    }
}
