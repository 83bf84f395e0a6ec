//! Mistakes made on purpose, in the lines where they would be made, so that it can be shown that
//! they are found.
//!
//! Whatever ships is built without the feature: there [`mutant`] is a constant, and nothing of a
//! mistake is left in it. The simulation builds with it and makes one mistake at a time.

#[cfg(feature = "mutants")]
pub use made::{make, mutant};

/// Whether the mistake of this name is made; in what ships, none is.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline]
pub const fn mutant(_name: &str) -> bool {
    false
}

#[cfg(feature = "mutants")]
mod made {
    use std::cell::Cell;

    thread_local! {
        static MADE: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Whether the mistake of this name is made on this thread.
    #[must_use]
    pub fn mutant(name: &str) -> bool {
        MADE.get() == Some(name)
    }

    /// Makes one mistake on this thread from now on, or none.
    pub fn make(name: Option<&'static str>) {
        MADE.set(name);
    }
}
