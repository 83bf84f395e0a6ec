//! Stories, printed as snapshots, and what holds for every story.

mod balances;
mod closings;
mod properties;
mod refunds;
mod stories;
mod world;
