//! Tells what happens while it happens: a line for each journey that moves at a terminal, plain
//! lines elsewhere.

use std::{
    io::IsTerminal as _,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::steps::brief;
use crate::traveller::Trip;

/// As wide as the longest name of a journey.
pub(crate) const NAME_COLUMNS: usize = 40;
/// Until its turn comes a journey has no spinner yet.
const WAITING: &str = "  · {prefix:<40.dim} {msg:.dim}";
const MOVING: &str = "  {spinner:.cyan} {prefix:<40} {msg}";
const DONE: &str = "  {prefix}";

/// All journeys that are being told.
#[derive(Debug)]
pub struct Teller {
    bars: Option<MultiProgress>,
    begun: Instant,
}

/// One journey.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    bar: Option<ProgressBar>,
    begun: Instant,
    last: Mutex<String>,
    trip: Mutex<Option<Trip>>,
}

impl Teller {
    /// A teller for whoever reads stderr.
    #[must_use]
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, begun: Instant::now() }
    }

    #[must_use]
    pub fn lane(&self, name: &'static str) -> Lane {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(style(WAITING));
            bar.set_prefix(name);
            bar.set_message("waits for its turn");
            bar.tick();
            bar
        });
        Lane { name, bar, begun: self.begun, last: Mutex::default(), trip: Mutex::default() }
    }
}

impl Default for Teller {
    fn default() -> Self {
        Self::new()
    }
}

impl Lane {
    /// What happens now.
    pub fn say(&self, what: &str) {
        match &self.bar {
            Some(bar) => {
                if self.last.lock().unwrap().is_empty() {
                    bar.set_style(style(MOVING));
                    bar.enable_steady_tick(Duration::from_millis(100));
                }
                bar.set_message(what.to_owned());
            }
            None => self.line(" ", what),
        }
        what.clone_into(&mut self.last.lock().unwrap());
    }

    /// A booking was accepted: whatever becomes of the journey, this one is compared.
    pub fn accepted(&self, trip: &Trip, what: &str) {
        *self.trip.lock().unwrap() = Some(trip.clone());
        self.say(&format!("…{} accepted{what}", brief(trip)));
    }

    /// The booking that was accepted last.
    #[must_use]
    pub fn trip(&self) -> Option<Trip> {
        self.trip.lock().unwrap().clone()
    }

    /// The last thing that happens; its mark comes when everything of it was looked at.
    pub fn done(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
        what.clone_into(&mut self.last.lock().unwrap());
    }

    /// It ended as it should, with what was said last.
    pub fn end(&self) {
        let last = self.last.lock().unwrap().clone();
        self.finish("✓", &last);
    }

    /// It ended otherwise.
    pub fn fail(&self, why: &str) {
        self.finish("✗", why);
    }

    fn finish(&self, mark: &str, what: &str) {
        match &self.bar {
            Some(bar) => {
                let seconds = self.begun.elapsed().as_secs_f32();
                bar.set_style(style(DONE));
                let name = self.name;
                bar.set_prefix(format!("{mark} {name:<NAME_COLUMNS$} {what} ({seconds:.0} s)"));
                bar.finish();
            }
            None => self.line(mark, what),
        }
    }

    fn line(&self, mark: &str, what: &str) {
        let seconds = self.begun.elapsed().as_secs_f32();
        eprintln!("{seconds:6.1} s {mark} {:<NAME_COLUMNS$} {what}", self.name);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap()
}
