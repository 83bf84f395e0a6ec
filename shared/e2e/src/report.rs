//! What a newcomer reads when the journeys are over: what came of each booking, asked from outside,
//! and one of them hop by hop.

mod league;

use std::fmt::Write as _;

use contracts::asset::{AssetAmount, Units};

use crate::{
    Endpoints, Stack,
    cards::Cards,
    double::Reservation,
    journeys::{ACCOUNT, Told, decimal},
    processes::DOUBLES,
    traces::{self, Span, Traces},
    traveller::Traveller,
    truth::World,
};

pub use league::league;

/// One line of the table.
struct Line {
    cells: [String; 6],
}

const HEADS: [&str; 6] = ["journey", "booking", "at the supplier", "money", "points", "trace"];

/// A table of all bookings: what their customers, the supplier, the chain, the ledger of points and
/// the traces say.
///
/// # Errors
/// When one of them cannot be asked.
pub async fn table(stack: &Stack, told: &[Told]) -> anyhow::Result<String> {
    let world = World::of(stack).await?;
    let mut reservations = Vec::new();
    for double in stack.doubles() {
        reservations.extend(double.truth().await?.reservations);
    }
    let charged = Cards::at(&stack.url(DOUBLES)).charged().await?;
    let ada = Traveller::of(stack, ACCOUNT).await?;
    let points = ada.gateway.points().await?;
    let mut lines = vec![Line { cells: HEADS.map(str::to_owned) }];
    for told in told {
        let own = reservations.iter().filter(|r| r.guests.contains(&told.trip.guest));
        let token = told.shown.0["payment"]["contract"].as_str();
        let payment = told.shown.0["payment"]["payment_id"].as_str().unwrap_or_default();
        let paid = match (told.shown.address(), charged.get(payment)) {
            (Some(address), _) => world.holds(token, address).await?,
            (None, Some(charged)) => *charged,
            (None, None) => Units::ZERO,
        };
        let back = match &told.trip.refund_to {
            Some(wallet) => world.holds(token, wallet).await?,
            None => Units::ZERO,
        };
        lines.push(Line {
            cells: [
                told.name.to_owned(),
                match &told.wrong {
                    None => told.shown.status().to_owned(),
                    Some(_) => format!("{}, WRONG", told.shown.status()),
                },
                own.map(reservation).collect::<Vec<_>>().join(", "),
                money(told, paid, back),
                moved(&points["entries"], &told.trip.booking_id),
                match &told.trace {
                    Ok(spans) => format!("whole, {spans} spans"),
                    Err(missing) => format!("lacks {}", missing.join(", ")),
                },
            ],
        });
    }
    Ok(draw(&lines))
}

fn reservation(reservation: &Reservation) -> String {
    format!("{} {}", reservation.reference, reservation.state)
}

fn money(told: &Told, paid: Units, back: Units) -> String {
    let Some(asked) = told.shown.amount() else { return "none paid".to_owned() };
    let short = |units: Units| {
        let amount = AssetAmount { units, ..asked.clone() };
        let text = amount.decimal();
        let text = if text.contains('.') { text.trim_end_matches('0') } else { &text };
        text.trim_end_matches('.').to_owned()
    };
    let asset = decimal(&told.shown);
    let asset = asset.rsplit(' ').next().unwrap_or("");
    match (paid.is_zero(), back.is_zero()) {
        (true, _) => format!("0 of {} {asset}", short(asked.units)),
        (false, true) => format!("{} {asset}", short(paid)),
        (false, false) => format!("{} {asset}, {} back", short(paid), short(back)),
    }
}

/// The entries of one booking, oldest first.
fn moved(entries: &serde_json::Value, booking_id: &str) -> String {
    let own = entries.as_array().into_iter().flatten().filter(|e| e["booking_id"] == booking_id);
    let each = own.map(|entry| {
        let points = entry["points"].as_i64().unwrap_or_default();
        format!("{points:+} {}", entry["kind"].as_str().unwrap_or(""))
    });
    let mut each: Vec<String> = each.collect();
    each.reverse();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}

fn draw(lines: &[Line]) -> String {
    let widest = |column: usize| lines.iter().map(|line| line.cells[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADS.len()).map(|column| widest(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let whole = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "  {}", whole.trim_end()).unwrap();
    }
    text
}

/// The first booking's trace, with what timers started for it until it was confirmed, and where
/// each is to be seen as a page.
///
/// # Errors
/// When the receiver is away.
pub async fn one_trace(endpoints: &Endpoints, told: &Told) -> anyhow::Result<String> {
    let spans = Traces::at(&endpoints.otlp).of_booking(&told.trip.booking_id).await?;
    let Some(click) = spans.iter().find(|span| span.name == "POST /v1/bookings") else {
        return Ok(String::new());
    };
    let confirmed = |span: &&Span| {
        let key = span.attributes.get("messaging.rabbitmq.destination.routing_key");
        span.service == "rewards" && key.is_some_and(|key| key.contains("booking.confirmed"))
    };
    let until = spans.iter().find(confirmed).map(|span| span.end_ns);
    let of = |span: &&Span| {
        span.trace_id == click.trace_id || until.is_some_and(|until| span.start_ns <= until)
    };
    let own: Vec<Span> = spans.iter().filter(of).cloned().collect();
    let (name, text) = (told.name, traces::text(&own));
    let page = format!("{}/traces/{}/view", endpoints.otlp, click.trace_id);
    Ok(format!(
        "One booking, hop by hop ({name}; start and length in ms)\n{text}  as a page: {page}\n"
    ))
}
