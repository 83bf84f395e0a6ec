//! An answer as lines that a terminal can take: lists as columns, documents as a field a line.

use serde_json::Value;

/// A column is cut here: what is longer is asked for by `--json`.
const COLUMN_MAX: usize = 60;

/// What lists show of what they hold, in this order, where it is there.
const COLUMNS: [&str; 37] = [
    "dead_letter_id",
    "replay_run_id",
    "edit_id",
    "letter_cause_id",
    "case_id",
    "refund_id",
    "leg_id",
    "booking_id",
    "supplier",
    "at",
    "made_at",
    "parked_at",
    "opened_at",
    "owner",
    "of",
    "kind",
    "reason",
    "chain",
    "amount_decimal",
    "asset",
    "wanted",
    "state",
    "consumer",
    "cause",
    "parked",
    "letters",
    "messages",
    "listening",
    "due",
    "actor",
    "act",
    "outcome",
    "what",
    "subject",
    "safe",
    "calls_free",
    "error",
];

/// Text in which nothing can steer a terminal: what others wrote may be shown.
#[must_use]
pub fn printable(text: &str) -> String {
    let turns = |c: char| {
        let marks = matches!(c, '\u{200e}' | '\u{200f}');
        marks || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let steers = |c: char| c.is_control() || turns(c);
    text.chars()
        .flat_map(|c| {
            let escaped = steers(c) && c != '\n';
            let (shown, plain) =
                if escaped { (Some(c.escape_unicode()), None) } else { (None, Some(c)) };
            shown.into_iter().flatten().chain(plain)
        })
        .collect()
}

pub(super) fn of(answer: &Value) -> String {
    match answer {
        Value::Null => "done".to_owned(),
        Value::Array(rows) => table(rows),
        Value::Object(fields) => {
            let mut text = String::new();
            for (name, value) in fields {
                match value {
                    Value::Null => {}
                    Value::Array(rows)
                        if rows.iter().any(|row| row.is_object() || row.is_array()) =>
                    {
                        text.push_str(&format!("{}:\n{}", printable(name), table(rows)));
                    }
                    Value::Array(rows) if rows.is_empty() => {
                        text.push_str(&format!("{}: none\n", printable(name)));
                    }
                    other => text.push_str(&format!(
                        "{}: {}\n",
                        printable(name),
                        cell(other, usize::MAX)
                    )),
                }
            }
            text
        }
        other => cell(other, usize::MAX),
    }
}

fn table(rows: &[Value]) -> String {
    // Who told something stands before it.
    let rows: Vec<Value> = rows.iter().map(flat).collect();
    let there =
        |name: &&&str| rows.iter().any(|row| row.get(**name).is_some_and(|it| !it.is_null()));
    let columns: Vec<&str> = COLUMNS.iter().filter(there).copied().collect();
    if columns.is_empty() {
        return rows.iter().map(|row| format!("  {}\n", cell(row, usize::MAX))).collect();
    }
    let cells = |row: &Value| -> Vec<String> {
        let at = |name: &&str| row.get(*name).map_or_else(String::new, |it| cell(it, COLUMN_MAX));
        columns.iter().map(at).collect()
    };
    let lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let head: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(&lines).collect();
    let width = |column: usize| {
        let widths = all.iter().filter_map(|line| line.get(column)).map(|it| it.chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &&Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

fn flat(row: &Value) -> Value {
    match row.as_array().map(Vec::as_slice) {
        Some([owner, Value::Object(fields)]) => {
            let mut fields = fields.clone();
            fields.insert("owner".to_owned(), owner.clone());
            Value::Object(fields)
        }
        _ => row.clone(),
    }
}

fn cell(value: &Value, most: usize) -> String {
    let text = match value {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        other => printable(&other.to_string()),
    };
    let one_line = if most == usize::MAX { text } else { text.replace('\n', " ") };
    if one_line.chars().count() <= most {
        return one_line;
    }
    let cut: String = one_line.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_steers_the_terminal() {
        let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\r\u{202e}done\u{9b}1m";
        let answer = json!({ evil: evil, "list": [{ "what": evil, "kind": evil }] });
        let shown = of(&answer);
        assert!(!shown.chars().any(|c| c != '\n' && c.is_control()), "{shown:?}");
        assert!(!shown.contains('\u{202e}') && shown.contains("done"), "{shown:?}");
    }

    #[test]
    fn a_list_has_columns_and_a_document_a_line_for_each_field() {
        let answer = json!({
            "dead_letters": [
                { "dead_letter_id": "a", "state": "parked", "consumer": "rewards", "other": 1 },
                { "dead_letter_id": "bb", "state": "discarded", "consumer": null, "other": 2 },
            ],
            "next_cursor": null,
        });
        let expected = "dead_letters:
  dead_letter_id  state      consumer
  a               parked     rewards
  bb              discarded
";
        assert_eq!(of(&answer), expected);
        assert_eq!(of(&json!({ "code": "x", "many": [] })), "code: x\nmany: none\n");
        let items = json!([["rewards", { "kind": "retrying", "what": "x".repeat(90) }]]);
        assert!(of(&items).contains("rewards") && of(&items).contains("xxx…"), "{}", of(&items));
        assert_eq!(of(&Value::Null), "done");
    }
}
