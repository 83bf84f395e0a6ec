//! Fetches callbacks that a supplier could not deliver, for supplier-callback, which keeps them.

use std::time::Duration;

use contracts::supplier::Supplier;
use supplier_sync_core::gate::Class;
use suppliers::{Broken, Operation, Sent, dialect};

use crate::{App, accounts, cache::Passage, sample, shop};

/// Whoever asks waits a little longer.
const WITHIN: Duration = Duration::from_secs(15);

/// What came of asking.
pub(crate) enum Fetched {
    Callbacks(Vec<String>),
    NoneKept,
    Unavailable,
}

/// Asks once. It passes the supplier's gate as a search does: it gives way to everybody who books.
pub(crate) async fn fetch(app: &App, supplier: Supplier) -> Fetched {
    let (dialect, now) = (dialect(supplier), accounts::signed_at());
    let Some(account) = app.accounts.of(supplier) else { return Fetched::NoneKept };
    let Some(request) = dialect.undelivered(&account.access, now) else {
        return Fetched::NoneKept;
    };
    let path = request.path_and_query.clone();
    if !matches!(app.gates.ask(supplier, Class::Search, &path).await, Passage::Go) {
        return Fetched::Unavailable;
    }
    let Sent::Reply(reply) = account.send(request, WITHIN).await else {
        return Fetched::Unavailable;
    };
    if let Some(quota) = dialect.quota(&reply, accounts::signed_at()) {
        app.gates.hear(supplier, (Class::Search, &path), Some(&quota), None).await;
    }
    match dialect.read_undelivered(&reply) {
        Ok(bodies) => Fetched::Callbacks(bodies),
        Err(broken) => {
            if let Broken::Contract { what } = &broken {
                let case = sample::contract(supplier, Operation::Lookup, what, &reply.body);
                shop::tell(app, case).await;
            }
            tracing::warn!(%supplier, why = %broken, "undelivered callbacks could not be read");
            Fetched::Unavailable
        }
    }
}
