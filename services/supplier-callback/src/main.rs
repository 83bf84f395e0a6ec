//! Hands the commands of supplier-callback to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main("supplier-callback", &supplier_callback::commands(), supplier_callback::serve)
}
