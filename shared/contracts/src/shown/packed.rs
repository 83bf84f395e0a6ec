//! How answers to searches lie in Redis: a stamp that is read alone, then the answer, compressed.
//!
//! Whoever has read an answer before needs only its stamp to know whether it is still the one.

use chrono::{DateTime, Utc};

use super::ShownOffers;

/// The form written here; anything else is nobody's answer.
const FORM: u8 = 1;
const ID_BYTES: usize = 16;
const TIME_BYTES: usize = 8;

/// How many bytes a stamp takes.
pub const STAMP_BYTES: usize = 1 + ID_BYTES + TIME_BYTES;

/// The largest answer that is made room for when one is read: what is larger was not written here.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What stands before an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Another one each time an answer is written.
    pub id: [u8; ID_BYTES],
    /// Until when the answer is fresh, to the millisecond below.
    pub soft_until: DateTime<Utc>,
}

impl Stamp {
    /// Reads the stamp of a packed answer, of which the rest may be missing.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (time, _) = rest.split_first_chunk::<TIME_BYTES>()?;
        let soft_until = DateTime::from_timestamp_millis(i64::from_be_bytes(*time))?;
        (*form == FORM).then_some(Self { id: *id, soft_until })
    }
}

/// Packs an answer under a new id.
#[must_use]
pub fn pack(offers: &ShownOffers, id: [u8; ID_BYTES]) -> Vec<u8> {
    // Plain data with text keys always has a JSON form.
    let json = serde_json::to_vec(offers).unwrap_or_default();
    let mut packed = Vec::with_capacity(STAMP_BYTES + json.len() / 4);
    packed.push(FORM);
    packed.extend(id);
    packed.extend(offers.soft_until.timestamp_millis().to_be_bytes());
    packed.extend(lz4_flex::compress_prepend_size(&json));
    packed
}

/// Reads a packed answer; nothing when it is none.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Option<ShownOffers> {
    Stamp::read(bytes)?;
    let body = bytes.get(STAMP_BYTES..)?;
    let (size, _) = lz4_flex::block::uncompressed_size(body).ok()?;
    if size > ANSWER_BYTES_MAX {
        return None;
    }
    let json = lz4_flex::decompress_size_prepended(body).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> ShownOffers {
        let soft_until = DateTime::from_timestamp_millis(1_800_000_000_123).unwrap();
        let as_of = DateTime::from_timestamp(1_799_999_700, 0).unwrap();
        ShownOffers { as_of, soft_until, suppliers: Vec::new(), offers: Vec::new() }
    }

    #[test]
    fn an_answer_comes_out_as_it_went_in_and_its_stamp_is_read_alone() {
        let packed = pack(&answer(), [7; 16]);
        assert_eq!(unpack(&packed), Some(answer()));
        let stamp = Stamp::read(&packed[..STAMP_BYTES]).unwrap();
        assert_eq!((stamp.id, stamp.soft_until), ([7; 16], answer().soft_until));
    }

    #[test]
    fn what_is_cut_foreign_or_says_it_is_huge_is_no_answer() {
        let packed = pack(&answer(), [7; 16]);
        for cut in 0..packed.len() {
            assert_eq!(unpack(&packed[..cut]), None, "{cut}");
        }
        assert_eq!(Stamp::read(&packed[..STAMP_BYTES - 1]), None);
        assert_eq!(unpack(br#"{"as_of":"2027-01-01T00:00:00Z"}"#), None);
        let mut huge = packed;
        huge[STAMP_BYTES..STAMP_BYTES + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(unpack(&huge), None);
    }
}
