//! Values that carry their unit: times, sizes, addresses, shares.

use std::time::Duration;

/// Reads `200ms`, `30s`, `5m`, `2h` or `1d`; whole numbers only.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("cannot be `{text}`: wanted a unit of ms, s, m, h or d")),
    };
    number
        .checked_mul(milliseconds_each)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("cannot be `{text}`: that is too long"))
}

/// Reads `512B`, `64KiB`, `16MiB` or `1GiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = number_and_unit(text)?;
    let bytes_each: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("cannot be `{text}`: wanted a unit of B, KiB, MiB or GiB")),
    };
    number
        .checked_mul(bytes_each)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("cannot be `{text}`: that is too much"))
}

/// Reads an `http` or `https` address and takes the slash off its end.
///
/// The text is not repeated in the problem: addresses of suppliers and nodes often hold a key.
pub(super) fn url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("is not an http or https address".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Reads a share from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err(format!("cannot be `{text}`: wanted a number from 0 to 1")),
    }
}

fn number_and_unit(text: &str) -> Result<(u64, &str), String> {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or(text);
    let number =
        number.parse().map_err(|_none| format!("cannot be `{text}`: wanted a whole number"))?;
    Ok((number, unit.trim_start()))
}
