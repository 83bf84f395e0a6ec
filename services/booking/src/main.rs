//! Hands booking's commands to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main("booking", &booking::commands(), booking::serve)
}
