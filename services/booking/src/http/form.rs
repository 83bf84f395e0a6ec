//! Reads a JSON body field by field and notes everything that is wrong, so that it is said at once.

use std::{borrow::Cow, cell::RefCell, collections::BTreeSet};

use chassis::{ApiError, FieldError, http::twice};
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// One thing wrong with one field.
pub(crate) fn error(
    pointer: impl Into<String>,
    code: &'static str,
    detail: impl Into<String>,
) -> FieldError {
    FieldError::new(pointer.into(), code, detail.into())
}

/// A date, written like `2027-03-14` and not otherwise.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    let read: NaiveDate = text.parse().ok()?;
    (text.len() == 10 && read.to_string() == text).then_some(read)
}

/// The parameters of a query; one that is given twice is noted.
pub(crate) fn parameters<'q>(query: &'q str, faults: &Faults) -> Vec<(Cow<'q, str>, Cow<'q, str>)> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    faults.0.borrow_mut().extend(twice(pairs.iter().map(|(name, _)| &**name)));
    pairs
}

/// Everything found wrong so far.
#[derive(Default)]
pub(crate) struct Faults(RefCell<Vec<FieldError>>);

impl Faults {
    pub(crate) fn add(&self, pointer: &str, code: &'static str, detail: impl Into<String>) {
        self.0.borrow_mut().push(error(pointer, code, detail));
    }

    /// Notes that a parameter was not given. One that cannot be read was.
    pub(crate) fn missing(&self, pointer: &str) {
        if !self.0.borrow().iter().any(|fault| fault.pointer == pointer) {
            self.add(pointer, "missing", "must be given");
        }
    }

    /// All of it as one answer, or nothing.
    pub(crate) fn answer(self) -> Result<(), ApiError> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(()) } else { Err(ApiError::invalid(faults)) }
    }
}

/// One object of a body. What it is not asked for is unknown, and said so by `end`.
pub(crate) struct Form<'a> {
    fields: Option<&'a Map<String, Value>>,
    pointer: String,
    faults: &'a Faults,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Form<'a> {
    /// Reads the object at `pointer`; anything else is noted.
    pub(crate) fn new(value: &'a Value, pointer: &str, faults: &'a Faults) -> Self {
        let fields = value.as_object();
        if fields.is_none() {
            faults.add(pointer, "wrong_type", "must be an object");
        }
        Self { fields, pointer: pointer.to_owned(), faults, asked: RefCell::default() }
    }

    /// The field's value; null counts as absent.
    pub(crate) fn optional(&self, field: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(field);
        self.fields?.get(field).filter(|value| !value.is_null())
    }

    /// The field's value, noted when it is absent.
    pub(crate) fn required(&self, field: &'static str) -> Option<&'a Value> {
        let value = self.optional(field);
        if value.is_none() && self.fields.is_some() {
            self.fault(field, "missing", "must be given");
        }
        value
    }

    /// A text that must be there and that `read` takes.
    pub(crate) fn text<T>(
        &self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read_text(field, self.required(field)?, read)
    }

    /// A text that may be absent.
    pub(crate) fn optional_text<T>(
        &self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read_text(field, self.optional(field)?, read)
    }

    /// A whole number from 0 on that may be absent.
    pub(crate) fn optional_count(&self, field: &'static str) -> Option<u64> {
        let value = self.optional(field)?;
        let count = value.as_u64();
        if count.is_none() {
            self.fault(field, "wrong_type", "must be a whole number, 0 or more");
        }
        count
    }

    /// A list that must be there, with at least one and at most `most` entries.
    pub(crate) fn list(&self, field: &'static str, most: usize) -> Option<&'a Vec<Value>> {
        let value = self.required(field)?;
        let Some(list) = value.as_array() else {
            self.fault(field, "wrong_type", "must be a list");
            return None;
        };
        if list.is_empty() || list.len() > most {
            self.fault(field, "invalid", format!("must have 1 to {most} entries"));
            return None;
        }
        Some(list)
    }

    /// Where a field is, as a JSON pointer.
    pub(crate) fn at(&self, field: &str) -> String {
        format!("{}/{field}", self.pointer)
    }

    /// Notes every field that nobody asked for.
    pub(crate) fn end(&self) {
        let asked = self.asked.borrow();
        for field in self.fields.into_iter().flat_map(Map::keys) {
            if !asked.contains(field.as_str()) {
                let pointer = self.at(&field.replace('~', "~0").replace('/', "~1"));
                self.faults.add(&pointer, "unknown", "is not a field of this request");
            }
        }
    }

    fn read_text<T>(
        &self,
        field: &'static str,
        value: &Value,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = value.as_str() else {
            self.fault(field, "wrong_type", "must be a text");
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(field, "invalid", detail);
                None
            }
        }
    }

    fn fault(&self, field: &'static str, code: &'static str, detail: impl Into<String>) {
        self.faults.add(&self.at(field), code, detail);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_date_is_written_in_one_way() {
        assert_eq!(date("2027-05-01"), NaiveDate::from_ymd_opt(2027, 5, 1));
        let odd = ["2027-5-1", " 2027-05-01", "2027-05-01 ", "2027-05- 1", "2027-02-30"];
        let odd =
            odd.into_iter().chain(["+2027-05-01", "12027-05-1", "-027-05-01", "", "20270501"]);
        for odd in odd {
            assert_eq!(date(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_parameter_that_is_given_twice_is_named_once() {
        let faults = Faults::default();
        let read = parameters("a=1&b=2&a=3&a=4", &faults);
        assert_eq!(read.len(), 4);
        let problem = faults.answer().unwrap_err();
        let said: Vec<_> = problem.errors.iter().map(|e| (e.pointer.as_str(), &*e.code)).collect();
        assert_eq!(said, [("?a", "twice")]);
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_its_place() {
        let body = json!({"a": 1, "list": [], "odd/one": true, "n": -1});
        let faults = Faults::default();
        let form = Form::new(&body, "", &faults);
        assert_eq!(form.text("a", |t| Ok(t.to_owned())), None);
        assert_eq!(form.text("b", |t| Ok(t.to_owned())), None);
        assert_eq!(form.list("list", 3), None);
        assert_eq!(form.optional_count("n"), None);
        form.end();
        let problem = faults.answer().unwrap_err();
        let said: Vec<_> = problem.errors.iter().map(|e| (e.pointer.as_str(), &*e.code)).collect();
        assert_eq!(
            said,
            [
                ("/a", "wrong_type"),
                ("/b", "missing"),
                ("/list", "invalid"),
                ("/n", "wrong_type"),
                ("/odd~1one", "unknown"),
            ]
        );
    }
}
