//! Everything a supplier has of us, page by page: what the nightly comparison reads.

use chrono::{DateTime, Utc};

use crate::SeenReservation;

/// Which page of everything that was made in a period. Opaque cursors go from page to page, so that
/// a reading that was broken off goes on where it was.
#[derive(Debug, Clone, Copy)]
pub struct Period<'a> {
    /// Made then, or later.
    pub from: DateTime<Utc>,
    /// Made before then; what a supplier cannot leave out is shown as well.
    pub until: DateTime<Utc>,
    /// Where the page before ended; nothing for the first.
    pub cursor: Option<&'a str>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// What it shows, also what is cancelled.
    pub reservations: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// One reservation of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The client reference it was made under, where it bears one.
    pub client_reference: Option<String>,
    /// What it is, as far as the list says.
    pub seen: SeenReservation,
}

/// The number of a page that a cursor of ours names; the first where it names none.
pub(crate) fn number(cursor: Option<&str>) -> u64 {
    cursor.and_then(|cursor| cursor.parse().ok()).filter(|page| *page > 0).unwrap_or(1)
}
