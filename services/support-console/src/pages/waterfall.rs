//! A booking's record as a waterfall: a row for each entry, in the order of time. Pure.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

use super::timeline::word;
use crate::http::timeline::Told;

const ROW: u32 = 22;
const LABEL: u32 = 400;
const CHART: u32 = 520;
const WIDTH: u32 = LABEL + CHART + 110;
/// More rows than anybody reads; the list below has all.
const ROWS_MAX: usize = 120;
const LABEL_CHARS: usize = 54;

/// A row: where its bar begins and ends, in milliseconds since the first, and what stands there.
struct Row {
    from: u64,
    to: u64,
}

/// Draws the newest rows of a record.
pub(super) fn draw(entries: &[Told]) -> Markup {
    let entries = entries.get(entries.len().saturating_sub(ROWS_MAX)..).unwrap_or(entries);
    let Some(first) = entries.iter().map(|told| told.entry.at).min() else { return html! {} };
    let rows: Vec<Row> = entries.iter().map(|told| row(told, first)).collect();
    let scale = Scale::of(&rows);
    let height = u32::try_from(entries.len()).unwrap_or(0) * ROW + 26;
    let last = rows.iter().map(|row| row.to).max().unwrap_or(0);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Waterfall" {
            svg.waterfall viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-label=(format!("{} entries over {}", entries.len(), offset(last))) {
                @for (at, (told, row)) in (0..).zip(entries.iter().zip(&rows)) {
                    @let y = at * ROW;
                    @let (x, end) = (LABEL + scale.px(row.from), LABEL + scale.px(row.to));
                    @if at % 2 == 0 { rect.band x="0" y=(y) width=(WIDTH) height=(ROW) {} }
                    text.row x="4" y=(y + 15) { (label(told)) }
                    rect class=(format!("bar k-{}", word(told.entry.kind))) x=(x) y=(y + 5)
                        width=((end - x).max(4)) height="12" rx="2" {}
                    text x=(end.max(x + 4) + 6) y=(y + 15) { (offset(row.from)) }
                }
            }
        }
        p.sub { "Long waits are drawn shorter than they were; each bar says when it began." }
    }
}

fn row(told: &Told, first: DateTime<Utc>) -> Row {
    let from = (told.entry.at - first).num_milliseconds().max(0).unsigned_abs();
    let took = told.entry.detail.get("took_ms").and_then(Value::as_u64).unwrap_or(0);
    Row { from, to: from.saturating_add(took) }
}

fn label(told: &Told) -> String {
    let whole = format!("{} {}", told.owner, told.entry.what);
    let mut label: String = whole.chars().take(LABEL_CHARS).collect();
    if whole.chars().count() > LABEL_CHARS {
        label.push('…');
    }
    label
}

fn offset(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{}.{} s", ms / 1_000, ms / 100 % 10),
        _ => format!("{} min", ms / 60_000),
    }
}

/// Instants on the chart. Between two that follow each other lies the square root of the time
/// between them, so that milliseconds show beside minutes.
struct Scale {
    /// Instants with their places, in order.
    places: Vec<(u64, u64)>,
    length: u64,
}

impl Scale {
    fn of(rows: &[Row]) -> Self {
        let mut instants: Vec<u64> = rows.iter().flat_map(|row| [row.from, row.to]).collect();
        instants.sort_unstable();
        instants.dedup();
        let (mut places, mut place, mut before) = (Vec::new(), 0_u64, None);
        for at in instants {
            place += before.map_or(0, |before: u64| (at - before).isqrt() + 1);
            places.push((at, place));
            before = Some(at);
        }
        Self { places, length: place.max(1) }
    }

    fn px(&self, at: u64) -> u32 {
        let found = self.places.binary_search_by_key(&at, |(instant, _)| *instant);
        let place = found.ok().and_then(|index| self.places.get(index)).map_or(0, |(_, p)| *p);
        u32::try_from(place * u64::from(CHART) / self.length).unwrap_or(CHART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_keeps_the_order_and_fills_the_chart() {
        let row = |from, to| Row { from, to };
        let scale = Scale::of(&[row(0, 5), row(5, 5), row(9, 700), row(3_600_000, 3_600_000)]);
        let px: Vec<u32> = [0, 5, 9, 700, 3_600_000].map(|at| scale.px(at)).to_vec();
        assert!(px.is_sorted(), "{px:?}");
        assert!(px.get(2) < px.get(3), "{px:?}");
        assert_eq!((px.first(), px.last()), (Some(&0), Some(&CHART)));
        assert_eq!(Scale::of(&[row(0, 0)]).px(0), 0);
    }

    #[test]
    fn an_offset_is_short() {
        assert_eq!(
            [offset(0), offset(9_999), offset(10_000), offset(600_000)],
            ["0 ms", "9999 ms", "10.0 s", "10 min"]
        );
    }
}
