//! The figures that say how far all of it is proven, beside what they should be, as one table.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::Value;

/// One line of the table.
struct Row {
    figure: &'static str,
    value: String,
    goal: String,
    holds: bool,
    command: String,
}

/// What is compared with what.
enum Goal {
    AtLeast(u64),
    None,
    All,
}

/// What real processes have to survive, by the words of the counts of faults.
const KILLS: [(&str, &str, u64); 5] = [
    ("`kill -9` of services", "services", 200),
    ("kills of the broker", "broker", 20),
    ("kills of the database", "database", 15),
    ("Redis made to forget", "redis", 30),
    ("partitions", "partitions", 20),
];
/// What may not happen to anybody.
const WRONGS: [&str; 6] = ["lost", "double", "orphaned", "overcharged", "given_away", "stuck"];

/// Prints the table of what a folder holds, and the same as JSON; whether every figure is reached.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn table(parts: &Path) -> anyhow::Result<bool> {
    let mut rows = Vec::new();
    let names = ["seeds", "hold_out", "model", "mutants", "chaos"];
    for name in names {
        let Ok(command) = fs::read_to_string(parts.join(format!("{name}.command"))) else {
            continue;
        };
        let told = fs::read_to_string(parts.join(format!("{name}.json")))
            .with_context(|| format!("reading what {name} gave"))?;
        // What ended without a result has none of its figures.
        let told: Value = serde_json::from_str(told.trim()).unwrap_or_default();
        rows.extend(of(name, &told, command.trim()));
    }
    println!("| figure | value | goal | holds | command |\n| --- | --- | --- | --- | --- |");
    for Row { figure, value, goal, holds, command } in &rows {
        let holds = if *holds { "yes" } else { "no" };
        println!("| {figure} | {value} | {goal} | {holds} | `{command}` |");
    }
    let lines = rows.iter().map(|row| {
        let Row { figure, value, goal, holds, .. } = row;
        serde_json::json!({"figure": figure, "value": value, "goal": goal, "holds": holds})
    });
    let line = serde_json::json!({
        "figures": lines.collect::<Vec<_>>(),
        "well": rows.iter().all(|row| row.holds),
    });
    println!("{line}");
    Ok(!rows.is_empty() && rows.iter().all(|row| row.holds))
}

fn of(name: &str, told: &Value, command: &str) -> Vec<Row> {
    let row = |figure, pointer: &str, goal: Goal| {
        let value = told.pointer(pointer).cloned().unwrap_or_default();
        let number = value.as_u64();
        let (goal, holds) = match goal {
            Goal::AtLeast(least) => (grouped(least), number.is_some_and(|n| n >= least)),
            Goal::None => ("0".to_owned(), number == Some(0)),
            Goal::All => ("yes".to_owned(), value == Value::Bool(true)),
        };
        let value = number.map_or_else(|| value.to_string(), grouped);
        Row { figure, value, goal, holds, command: command.to_owned() }
    };
    match name {
        "seeds" => vec![
            row("seeds", "/seeds", Goal::AtLeast(100_000)),
            row("their bookings", "/bookings", Goal::AtLeast(1_000_000)),
            row("violations", "/violations", Goal::None),
            share("confirmed without faults", told, "/confirmed_share_by_mix/calm", 0.5, command),
            share(
                "confirmed in the worst mix",
                told,
                "/confirmed_share_by_mix/worst",
                0.2,
                command,
            ),
            rarest(told, command),
        ],
        "hold_out" => vec![
            row("seeds of a stream that nobody had used", "/seeds", Goal::AtLeast(20_000)),
            row("violations among them", "/violations", Goal::None),
        ],
        "model" => vec![
            row("states of the models", "/states", Goal::AtLeast(1_000_000)),
            row("every way was gone and is right", "/well", Goal::All),
        ],
        "mutants" => {
            vec![mutants(told, command), row("the canary is noticed", "/canary_failed", Goal::All)]
        }
        _ => {
            let mut rows = vec![row("real bookings", "/bookings", Goal::AtLeast(20_000))];
            rows.extend(KILLS.map(|(figure, word, least)| {
                row(figure, &format!("/kills/{word}"), Goal::AtLeast(least))
            }));
            rows.extend(WRONGS.map(|word| row(word, &format!("/{word}"), Goal::None)));
            rows.push(share(
                "confirmed while all this went on",
                told,
                "/confirmed_share",
                0.2,
                command,
            ));
            rows
        }
    }
}

fn share(figure: &'static str, told: &Value, pointer: &str, least: f64, command: &str) -> Row {
    let value = told.pointer(pointer).and_then(Value::as_f64);
    Row {
        figure,
        value: value.map_or_else(|| "unknown".to_owned(), |share| format!("{share:.3}")),
        goal: format!("{least}"),
        holds: value.is_some_and(|share| share >= least),
        command: command.to_owned(),
    }
}

/// Whatever happened least often of all that is rare.
fn rarest(told: &Value, command: &str) -> Row {
    let counts = told["sometimes"].as_object().into_iter().flatten();
    let least = counts.filter_map(|(word, n)| Some((n.as_u64()?, word))).min();
    Row {
        figure: "what happened least often of all that is rare",
        value: least.map_or_else(
            || "unknown".to_owned(),
            |(n, word)| format!("{}, {}", grouped(n), word.replace('_', " ")),
        ),
        goal: "1,000".to_owned(),
        holds: least.is_some_and(|(n, _)| n >= 1_000),
        command: command.to_owned(),
    }
}

fn mutants(told: &Value, command: &str) -> Row {
    let (killed, of) = (told["killed"].as_u64(), told["of"].as_u64());
    Row {
        figure: "mistakes on purpose that are found",
        value: match (killed, of) {
            (Some(killed), Some(of)) => format!("{killed} of {of}"),
            _ => "unknown".to_owned(),
        },
        goal: "all, and at least 30".to_owned(),
        holds: killed.is_some() && killed == of && of >= Some(30),
        command: command.to_owned(),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Row, grouped, of};

    fn missed(rows: &[Row]) -> Vec<&'static str> {
        rows.iter().filter(|row| !row.holds).map(|row| row.figure).collect()
    }

    #[test]
    fn what_is_reached_holds_and_what_is_missed_does_not() {
        let told = json!({
            "seeds": 100_000, "bookings": 1_000_000, "violations": 0,
            "confirmed_share_by_mix": {"calm": 0.7, "worst": 0.4},
            "sometimes": {"reorg": 5_000, "spent_link": 1_000},
        });
        assert!(missed(&of("seeds", &told, "")).is_empty());
        let mut worse = told;
        worse["violations"] = json!(1);
        worse["sometimes"]["spent_link"] = json!(999);
        worse["confirmed_share_by_mix"]["worst"] = json!(0.1);
        let expected = [
            "violations",
            "confirmed in the worst mix",
            "what happened least often of all that is rare",
        ];
        assert_eq!(missed(&of("seeds", &worse, "")), expected);
    }

    #[test]
    fn a_part_that_gave_nothing_holds_nowhere() {
        for name in ["seeds", "hold_out", "model", "mutants", "chaos"] {
            let rows = of(name, &serde_json::Value::Null, "");
            assert_eq!(missed(&rows).len(), rows.len(), "{name}");
        }
        let survived = json!({"killed": 40, "of": 41, "canary_failed": true});
        assert_eq!(missed(&of("mutants", &survived, "")), ["mistakes on purpose that are found"]);
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }
}
