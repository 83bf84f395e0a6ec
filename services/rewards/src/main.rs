//! Hands the commands of rewards to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main("rewards", &rewards::commands(), rewards::serve)
}
