//! `holdfast-support` as a process, against a console that listens.

use std::{process::Output, time::Duration};

use chassis::{ExposeSecret as _, http::Ready};
use serde_json::{Value, json};
use support_console::router;
use uuid::Uuid;

use crate::{console::Console, owner::Owner};

struct Terminal {
    url: String,
    token: String,
}

impl Terminal {
    async fn of(console: &Console, role: &str) -> Self {
        let here = "127.0.0.1:0".parse().unwrap();
        let routes = router(console.app.clone());
        let addr = chassis::http::serve(&console.service.process, here, routes, Ready::new()).await;
        let token = console.signer.token("ada", &[role], "holdfast", Duration::from_secs(60));
        let token = token.unwrap().expose_secret().to_owned();
        Self { url: format!("http://{}", addr.unwrap()), token }
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } =
            tokio::process::Command::new(env!("CARGO_BIN_EXE_holdfast-support"))
                .args(arguments)
                .env("HOLDFAST_SUPPORT_URL", &self.url)
                .env("HOLDFAST_SUPPORT_TOKEN", &self.token)
                .output()
                .await
                .unwrap();
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        (status.code().unwrap(), said)
    }
}

/// Row: G3
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn support_lists_previews_discards_and_replays_from_a_terminal() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, letter) = console.refused(&neighbour).await;
    let id = letter.as_str().unwrap();
    let terminal = Terminal::of(&console, "support_operator").await;
    let (code, said) = terminal.run(&["letters", "--state", "parked"]).await;
    assert_eq!((code, said.contains(id)), (0, true), "{said}");
    let (code, said) = terminal.run(&["--json", "letter", id]).await;
    let shown: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &shown["booking_id"]), (0, &json!(booking)));
    neighbour.script.mend(booking);
    let (code, said) = terminal.run(&["preview", id]).await;
    assert_eq!((code, said.contains("effect: changes")), (0, true), "{said}");

    // An act without a reason is no command; one that cannot be done is refused.
    let (code, said) = terminal.run(&["replay", id]).await;
    assert_eq!((code, said.contains("--reason")), (2, true), "{said}");
    let (code, said) = terminal.run(&["restore", id, "--reason", "why not"]).await;
    assert_eq!((code, said.contains("not_discarded")), (1, true), "{said}");
    let begun = terminal.run(&["run", "begin", "--reason", "rewards was mended", "--json"]).await;
    assert_eq!(begun.0, 0, "{}", begun.1);
    support_console::replay_many(&console.app).await.unwrap();
    console.until_it_stands(&letter, "succeeded").await;
    assert_eq!(neighbour.effects(booking).await, 1);
    let (_, said) = terminal.run(&["letters", "--state", "succeeded"]).await;
    assert!(said.contains(id), "{said}");
    let (_, said) = terminal.run(&["letters", "--state", "failed_again"]).await;
    assert!(!said.contains(id), "{said}");
    let (_, said) = terminal.run(&["acts", "--actor", "ada"]).await;
    assert!(said.contains("replay_many") && said.contains("refused"), "{said}");

    let viewer = Terminal::of(&console, "support_viewer").await;
    let (code, said) = viewer.run(&["discard", id, "--reason", "let me"]).await;
    assert_eq!((code, said.contains("403")), (1, true), "{said}");
    let nowhere = Terminal { url: "http://127.0.0.1:1".to_owned(), ..viewer };
    assert_eq!(nowhere.run(&["attention"]).await.0, 3);
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_terminal_only_sees_and_does_the_same_about_refunds_legs_and_cases() {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    let (booking, refund) = (Uuid::from_u128(1).to_string(), owner.refund.to_string());
    let approver = Terminal::of(&console, "support_approver").await;
    let odd = crate::owner::ODD.to_string();
    for (arguments, shows) in [
        (&["refunds"] as &[&str], refund.as_str()),
        (&["legs", &booking], "adopt"),
        (&["seen", &booking], "cancelling"),
        (&["seen", &booking, "--at", "3"], "cancelling"),
        (&["travellers", &booking, "--reason", "they call"], "Lovelace"),
        (&["payment-cases"], "other_asset"),
        (&["payment-case", &odd], "5000.000000"),
        (&["close-payment-case", &odd, "--reason", "sent back by hand"], "sent back by hand"),
    ] {
        let (code, said) = approver.run(arguments).await;
        assert_eq!((code, said.contains(shows)), (0, true), "{arguments:?}: {said}");
    }
    let approve = ["approve-refund", &booking, &refund, "--reason", "agreed"];
    let operator = Terminal::of(&console, "support_operator").await;
    assert_eq!(operator.run(&approve).await.0, 1, "it takes an approver");
    assert_eq!(approver.run(&approve).await, (0, "done\n".to_owned()));
    console.close().await;
}
