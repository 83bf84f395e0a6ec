//! The suppliers beside each other: what each was asked, what the cache saved it, what it left open
//! and what was found to differ. Asked of the services from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use contracts::{
    internal::{AttentionItem, AttentionKind, AttentionReply, SupplierCasesReply},
    supplier::Supplier,
};

use crate::Stack;

/// What one supplier was asked and how it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Line {
    /// Answers to searches that customers were shown with its part.
    shown: u64,
    searches: u64,
    /// Everything but searches.
    calls: u64,
    unknown: u64,
    /// Of the unknown, those that nobody knows yet.
    open: u64,
    drift: u64,
}

/// One line for each supplier that was asked anything.
///
/// # Errors
/// When a service cannot be asked.
pub async fn league(stack: &Stack) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let token = stack.internal_token("demo");
    let get = async |service: &str, path: &str| -> anyhow::Result<String> {
        let url = format!("{}{path}", stack.url(service));
        let reply = http.get(url).bearer_auth(&token).send().await?.error_for_status()?;
        Ok(reply.text().await?)
    };
    let attention: AttentionReply =
        serde_json::from_str(&get("supplier-sync", "/internal/attention").await?)?;
    let cases: SupplierCasesReply =
        serde_json::from_str(&get("supplier-sync", "/internal/cases").await?)?;
    let (shown, asked) =
        (get("booking", "/metrics").await?, get("supplier-sync", "/metrics").await?);
    let mut lines = counted(&shown, &asked);
    for (supplier, line) in &mut lines {
        let word = supplier.word();
        let unknown = |item: &&AttentionItem| {
            item.kind == AttentionKind::UnknownOutcome && item.what.contains(word)
        };
        let about = attention.items.iter().filter(unknown);
        line.open = u64::try_from(about.count()).unwrap_or(u64::MAX);
        let of =
            cases.cases.iter().filter(|case| case.supplier == *supplier && case.kind != "contract");
        line.drift = u64::try_from(of.count()).unwrap_or(u64::MAX);
    }
    Ok(drawn(&lines))
}

/// What the gateway and supplier-sync counted.
fn counted(shown: &str, asked: &str) -> BTreeMap<Supplier, Line> {
    let mut lines: BTreeMap<Supplier, Line> = BTreeMap::new();
    // What was held back, for its budget or a breaker, is no call.
    let held_back = BTreeSet::from(["no_place", "put_off", "turned_away", "no_time", "not_sent"]);
    for (labels, count) in counter(shown, "holdfast_cache_reads_total") {
        let Some(line) = of(&mut lines, &labels) else { continue };
        line.shown += if labels.get("result") == Some(&"silent") { 0 } else { count };
    }
    for (labels, count) in counter(asked, "holdfast_supplier_calls_total") {
        let Some(line) = of(&mut lines, &labels) else { continue };
        match labels.get("operation") {
            _ if labels.get("outcome").is_some_and(|it| held_back.contains(it)) => {}
            Some(&"search") => line.searches += count,
            Some(_) | None => line.calls += count,
        }
    }
    for (labels, count) in counter(asked, "holdfast_supplier_unknowns_total") {
        // A look-up that brought nothing leaves nothing open that was not open before.
        let deed = labels.get("operation").is_some_and(|it| *it != "lookup");
        let Some(line) = of(&mut lines, &labels).filter(|_| deed) else { continue };
        line.unknown += count;
    }
    lines.retain(|_, line| *line != Line::default());
    lines
}

fn of<'a>(
    lines: &'a mut BTreeMap<Supplier, Line>,
    labels: &BTreeMap<&str, &str>,
) -> Option<&'a mut Line> {
    let supplier: Supplier = labels.get("supplier")?.parse().ok()?;
    Some(lines.entry(supplier).or_default())
}

/// The series of a counter in Prometheus' text, each with its labels.
fn counter<'a>(
    text: &'a str,
    name: &'a str,
) -> impl Iterator<Item = (BTreeMap<&'a str, &'a str>, u64)> {
    text.lines().filter_map(move |line| {
        let (labels, count) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let labels = pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect();
        Some((labels, count.trim().parse().ok()?))
    })
}

fn drawn(lines: &BTreeMap<Supplier, Line>) -> String {
    let mut text = format!(
        "  {:<10} {:>8} {:>9} {:>7} {:>6}  {:<20} {:>6}\n",
        "supplier", "searches", "asked for", "saved", "calls", "unknown, resolved", "drift"
    );
    for (supplier, line) in lines {
        let saved = line.shown.saturating_sub(line.searches);
        let resolved = line.unknown.saturating_sub(line.open);
        let unknown = format!("{}, {resolved}", line.unknown);
        writeln!(
            text,
            "  {:<10} {:>8} {:>9} {saved:>7} {:>6}  {unknown:<20} {:>6}",
            supplier.word(),
            line.shown,
            line.searches,
            line.calls,
            line.drift
        )
        .unwrap();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
# HELP holdfast_cache_reads_total Reads.
holdfast_cache_reads_total{supplier=\"rapid\",result=\"hit\"} 40
holdfast_cache_reads_total{supplier=\"rapid\",result=\"stale\"} 2
holdfast_cache_reads_total{supplier=\"rapid\",result=\"miss\"} 3
holdfast_cache_reads_total{supplier=\"rapid\",result=\"silent\"} 1
holdfast_cache_reads_total{supplier=\"nobody\",result=\"hit\"} 9
";
    const ASKED: &str = "\
holdfast_supplier_calls_total{supplier=\"rapid\",operation=\"search\",outcome=\"answered\"} 3
holdfast_supplier_calls_total{supplier=\"rapid\",operation=\"search\",outcome=\"no_place\"} 7
holdfast_supplier_calls_total{supplier=\"rapid\",operation=\"reserve\",outcome=\"seen\"} 5
holdfast_supplier_calls_total{supplier=\"etg\",operation=\"lookup\",outcome=\"not_found\"} 1
holdfast_supplier_unknowns_total{supplier=\"rapid\",operation=\"reserve\"} 2
holdfast_supplier_unknowns_total{supplier=\"rapid\",operation=\"lookup\"} 4
holdfast_supplier_unknowns_of_others{supplier=\"rapid\"} 4
";

    #[test]
    fn each_supplier_has_a_line_of_what_was_counted_and_nobody_else_has() {
        let mut lines = counted(SHOWN, ASKED);
        let rapid = Line { shown: 45, searches: 3, calls: 5, unknown: 2, ..Line::default() };
        assert_eq!(lines[&Supplier::Rapid], rapid);
        assert_eq!(lines[&Supplier::Etg], Line { calls: 1, ..Line::default() });
        assert_eq!(lines.len(), 2);
        lines.get_mut(&Supplier::Rapid).unwrap().open = 1;
        let text = drawn(&lines);
        let rapid: Vec<&str> =
            text.lines().find(|line| line.contains("rapid")).unwrap().split_whitespace().collect();
        assert_eq!(rapid, ["rapid", "45", "3", "42", "5", "2,", "1", "0"]);
    }
}
