//! Stories, printed as snapshots, and what holds for every story.

mod properties;
mod stories;
mod world;
