//! What a benchmark needs: load that comes in turns or by the clock, and what processes used
//! meanwhile.

pub mod bench;
pub mod load;
pub mod usage;
mod wire;

use serde::Serialize;

/// One measured number beside what a bare program does on the same machine in the same run.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// The bare program's number; nothing where there is none to compare with.
    pub floor: Option<f64>,
    pub ratio: Option<f64>,
    /// In words; empty where the number only explains others.
    pub goal: String,
    pub holds: bool,
}

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least so much of the floor.
    OfFloor(f64),
    /// It only explains others.
    None,
}

impl Figure {
    #[must_use]
    pub fn new(name: &str, value: f64, unit: &'static str, floor: Option<f64>, goal: Goal) -> Self {
        let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| value / floor);
        let (goal, holds) = match goal {
            Goal::AtLeast(least) => (format!("at least {least}"), value >= least),
            Goal::AtMost(most) => (format!("at most {most}"), value <= most),
            Goal::OfFloor(part) => {
                (format!("at least {part} of the floor"), ratio.is_some_and(|ratio| ratio >= part))
            }
            Goal::None => (String::new(), true),
        };
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        Self {
            name: name.to_owned(),
            value: rounded(value),
            unit,
            floor: floor.map(rounded),
            ratio: ratio.map(rounded),
            goal,
            holds,
        }
    }
}

/// The value below which so many of a hundred lie.
///
/// # Panics
/// When there are no values.
#[must_use]
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_held_against_the_value_or_the_floor() {
        let figure = Figure::new("accept", 500.0, "1/s", Some(1000.0), Goal::OfFloor(0.4));
        assert!(figure.holds && figure.ratio == Some(0.5));
        assert!(!Figure::new("p99", 51.0, "ms", None, Goal::AtMost(50.0)).holds);
        assert!(!Figure::new("whole", 299.0, "1/s", None, Goal::AtLeast(300.0)).holds);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&mut values, 99) - 100.0).abs() < f64::EPSILON);
        assert!((percentile(&mut values, 50) - 51.0).abs() < f64::EPSILON);
    }
}
