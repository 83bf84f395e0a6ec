//! A trace as a waterfall: lines of text for a terminal, a page with SVG for a browser.

use std::{collections::BTreeMap, fmt::Write as _};

use super::Span;

const BAR_COLUMNS: usize = 40;
const NAME_COLUMNS: usize = 62;

/// A span with its depth, in the order in which a reader goes down the page.
fn rows(spans: &[Span]) -> Vec<(usize, &Span)> {
    let known = |id: &str| spans.iter().any(|span| span.span_id == id);
    let mut children: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    let mut roots = Vec::new();
    for span in spans {
        match span.parent_id.as_deref().filter(|parent| known(parent)) {
            Some(parent) => children.entry(parent).or_default().push(span),
            None => roots.push(span),
        }
    }
    let by_start =
        |list: &mut Vec<&Span>| list.sort_by_key(|span| std::cmp::Reverse(span.start_ns));
    by_start(&mut roots);
    children.values_mut().for_each(by_start);
    let mut ahead: Vec<(usize, &Span)> = roots.into_iter().map(|span| (0, span)).collect();
    let mut rows = Vec::new();
    while let Some((depth, span)) = ahead.pop() {
        rows.push((depth, span));
        let below = children.remove(span.span_id.as_str()).unwrap_or_default();
        ahead.extend(below.into_iter().map(|child| (depth + 1, child)));
    }
    rows
}

/// Beginning and length of the whole, in nanoseconds; the length is never zero.
fn extent(spans: &[Span]) -> (u64, u64) {
    let begin = spans.iter().map(|span| span.start_ns).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.end_ns).max().unwrap_or_default();
    (begin, end.saturating_sub(begin).max(1))
}

fn millis(ns: u64) -> String {
    format!("{}.{:01}", ns / 1_000_000, ns / 100_000 % 10)
}

/// The waterfall as lines: service and name, start and length in milliseconds, a bar.
#[must_use]
pub fn text(spans: &[Span]) -> String {
    let (begin, length) = extent(spans);
    let column = |at: u64| {
        usize::try_from(u128::from(at) * BAR_COLUMNS as u128 / u128::from(length)).unwrap_or(0)
    };
    let mut lines = String::new();
    for (depth, span) in rows(spans) {
        let label: String = format!("{}{} {}", "  ".repeat(depth.min(8)), span.service, span.name)
            .chars()
            .take(NAME_COLUMNS)
            .collect();
        let from = column(span.start_ns.saturating_sub(begin)).min(BAR_COLUMNS - 1);
        let took = span.end_ns.saturating_sub(span.start_ns);
        let bar = column(took).clamp(1, BAR_COLUMNS - from);
        let mark = if span.failed { "x" } else { "#" };
        let start = millis(span.start_ns.saturating_sub(begin));
        writeln!(
            lines,
            "{label:<NAME_COLUMNS$} {start:>9} {:>9} |{}{:<rest$}|",
            millis(took),
            " ".repeat(from),
            mark.repeat(bar),
            rest = BAR_COLUMNS - from,
        )
        .unwrap();
    }
    lines
}

const ROW_PX: u64 = 22;
const CHART_PX: u64 = 900;
const LABEL_PX: u64 = 420;
const COLOURS: [&str; 6] = ["#3b6ea5", "#4f8f5b", "#b0722e", "#7d5aa6", "#a54a57", "#3f8c91"];

/// The waterfall as a page: one SVG, a title on each bar with the span's attributes.
#[must_use]
pub fn page(trace_id: &str, spans: &[Span]) -> String {
    let (begin, length) = extent(spans);
    let rows = rows(spans);
    let mut services: Vec<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    services.sort_unstable();
    services.dedup();
    let px = |ns: u64| {
        u64::try_from(u128::from(ns) * u128::from(CHART_PX) / u128::from(length)).unwrap_or(0)
    };
    let mut chart = String::new();
    for (at, (depth, span)) in rows.iter().enumerate() {
        let y = at as u64 * ROW_PX;
        let colour = services.iter().position(|s| *s == span.service).unwrap_or(0) % COLOURS.len();
        let attributes: Vec<String> =
            span.attributes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        write!(
            chart,
            r##"<g><title>{}</title><text x="{}" y="{}">{} {}</text><rect x="{}" y="{}" width="{}" height="14" fill="{}" {}/><text class="ms" x="{}" y="{}">{} ms</text></g>"##,
            escape(&attributes.join("\n")),
            depth.min(&12) * 10,
            y + 15,
            escape(&span.service),
            escape(&span.name),
            LABEL_PX + px(span.start_ns.saturating_sub(begin)),
            y + 4,
            px(span.end_ns.saturating_sub(span.start_ns)).max(2),
            COLOURS[colour],
            if span.failed { r##"stroke="#c00" stroke-width="2""## } else { "" },
            LABEL_PX + px(span.end_ns.saturating_sub(begin)) + 5,
            y + 15,
            millis(span.end_ns.saturating_sub(span.start_ns)),
        )
        .unwrap();
    }
    format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Trace {id}</title>
<style>
body{{font:13px system-ui,sans-serif;margin:1.5rem}}
svg text{{font:12px ui-monospace,monospace}}
.ms{{fill:#777}}
</style>
<h1>Trace {id}</h1><p>{count} spans of {services} in {total} ms</p>
<svg width="{width}" height="{height}" role="img" aria-label="waterfall of the trace">{chart}</svg></html>"#,
        id = escape(trace_id),
        count = spans.len(),
        services = escape(&services.join(", ")),
        total = millis(length),
        width = LABEL_PX + CHART_PX + 100,
        height = rows.len() as u64 * ROW_PX + 10,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
