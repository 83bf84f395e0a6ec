//! Tells what happens while it happens: a spinner for each journey at a terminal, plain lines
//! elsewhere.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

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
}

impl Teller {
    /// A teller for whoever reads stderr.
    #[must_use]
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, begun: Instant::now() }
    }

    /// # Panics
    /// When the template of a bar is none.
    #[must_use]
    pub fn lane(&self, name: &'static str) -> Lane {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix:<38} {msg}");
            bar.set_style(style.unwrap());
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Lane { name, bar, begun: self.begun }
    }
}

impl Default for Teller {
    fn default() -> Self {
        Self::new()
    }
}

impl Lane {
    pub fn say(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => {
                let seconds = self.begun.elapsed().as_secs_f32();
                eprintln!("{seconds:6.1} s  {:<38} {what}", self.name);
            }
        }
    }

    /// The last thing that is said.
    pub fn done(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.finish_with_message(what.to_owned()),
            None => self.say(what),
        }
    }
}
