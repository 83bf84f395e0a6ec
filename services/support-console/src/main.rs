//! Hands the commands of the support console to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main("support-console", &support_console::commands(), support_console::serve)
}
