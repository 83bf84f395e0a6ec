//! Hands the commands of supplier-sync to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main("supplier-sync", &supplier_sync::commands(), supplier_sync::serve)
}
