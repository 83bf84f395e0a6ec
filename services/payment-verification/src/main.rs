//! Hands payment-verification's commands to the chassis.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main(
        "payment-verification",
        &payment_verification::commands(),
        payment_verification::serve,
    )
}
