//! Lists by pages: how many, and from where on.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{ApiError, FieldError};
use chrono::{DateTime, Datelike as _, Utc};
use serde::{Deserialize as _, Deserializer, de::Error as _};
use uuid::Uuid;

use crate::store::After;

const PAGE_DEFAULT: u16 = 50;
const PAGE_MAX: u16 = 200;
/// In which years an entry of a list can have been made.
const YEARS: RangeInclusive<i32> = 1970..=9999;

/// Which page is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    limit: u16,
    pub(crate) after: Option<After>,
}

impl Page {
    pub(crate) fn read(limit: Option<u16>, cursor: Option<&str>) -> Result<Self, ApiError> {
        let mut errors = Vec::new();
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            let detail = format!("must be 1 to {PAGE_MAX}");
            errors.push(FieldError::new("?limit", "invalid", detail));
        }
        let after = cursor.map(read_cursor);
        if after == Some(None) {
            errors.push(FieldError::new("?cursor", "invalid", "is not one that was given out"));
        }
        if !errors.is_empty() {
            return Err(ApiError::invalid(errors));
        }
        Ok(Self { limit, after: after.flatten() })
    }

    /// One more than is shown, to know whether there is a next page.
    pub(crate) fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts a list to the page, and says where the next one begins.
    pub(crate) fn cut<T>(
        self,
        list: &mut Vec<T>,
        place: impl Fn(&T) -> (DateTime<Utc>, Uuid),
    ) -> Option<String> {
        let more = list.len() > usize::from(self.limit);
        list.truncate(usize::from(self.limit));
        let (at, id) = list.last().filter(|_| more).map(place)?;
        Some(URL_SAFE_NO_PAD.encode(format!("{} {id}", at.timestamp_micros())))
    }
}

/// Reads how many are wanted among the parameters of a query.
pub(crate) fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    let limit = i64::deserialize(from)?;
    let limit = u16::try_from(limit).ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.map(Some).ok_or_else(|| D::Error::custom(format!("must be 1 to {PAGE_MAX}")))
}

/// Reads where the page before ended.
pub(crate) fn cursor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let known = read_cursor(&text).is_some();
    if known { Ok(Some(text)) } else { Err(D::Error::custom("is not one that was given out")) }
}

fn read_cursor(text: &str) -> Option<After> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = text.split_once(' ')?;
    let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    // What the database cannot compare with was never given out.
    let at = Some(at).filter(|at| YEARS.contains(&at.year()))?;
    Some(After { at, id: id.parse().ok()? })
}
