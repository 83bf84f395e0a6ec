//! Stories, printed as snapshots, and what holds for every story.

mod approvals;
mod balances;
mod closings;
mod depth;
mod endings;
mod golden;
mod losses;
mod moving;
mod properties;
mod refunds;
mod stories;
mod values;
pub(crate) mod world;
