//! The one place where ids and random bytes are made; everything else takes them as parameters.

use aws_lc_rs::rand;
use uuid::Uuid;

/// Makes a time-ordered id (`UUIDv7`).
///
/// Its time is the machine's clock: good for the order of an index, never for a decision.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub fn uuid7() -> Uuid {
    Uuid::now_v7()
}

/// Makes `N` random bytes that nobody can guess.
///
/// # Panics
///
/// When the operating system gives no randomness: nothing that follows could be trusted.
#[must_use]
#[expect(clippy::panic, reason = "without randomness no key, token or nonce may be made")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    match rand::fill(&mut bytes) {
        Ok(()) => bytes,
        Err(_unspecified) => panic!("the operating system gives no randomness"),
    }
}

/// Makes a random text of 256 bits, safe in URLs and headers: session ids, tickets, CSRF tokens.
#[must_use]
pub fn token() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let ids: Vec<_> = (0..1000).map(|_| super::uuid7()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn tokens_differ_and_need_no_escaping() {
        let (one, two) = (super::token(), super::token());
        assert_ne!(one, two);
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
}
