//! The automation that has logic: the law of the tree, and the rows with their tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed check"
)]

mod asyncapi;
mod rows;
mod tidy;
mod tokens;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask tidy            the law of the tree: imports, manifests, names, sizes, words
cargo xtask rows            every row with its tests and what was taken out to see them fail
cargo xtask rows --check    fails when a row has no test, or a test names no row
cargo xtask asyncapi        fails when docs/asyncapi.json breaks one that was published before
cargo xtask tokens LIST CHAIN NETWORK SYMBOL[=WORTH] ...
                            entries for deploy/assets.toml out of a token list: tokens l.json 1 ethereum DAI=1 LINK";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = tree::root();
    let good = match args.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["rows"] => rows::print(&root),
        ["rows", "--check"] => rows::check(&root),
        ["asyncapi"] => asyncapi::check(&root),
        ["tokens", list, chain, network, symbols @ ..] => {
            tokens::print(list.as_ref(), chain, network, symbols)
        }
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            true
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
