//! What opens, and what does not.

use secrecy::{ExposeSecret as _, SecretString};

use super::{DoesNotOpen, Sealer};

const PLACE: &[u8] = b"traveller/018f/name";

fn sealer() -> Sealer {
    Sealer::from_config(&Sealer::generate_config()).unwrap()
}

#[test]
fn opens_what_it_sealed_in_the_same_place_only() {
    let sealer = sealer();
    let sealed = sealer.seal(b"Ada Lovelace", PLACE).unwrap();
    assert_eq!(sealer.open(&sealed, PLACE).unwrap(), b"Ada Lovelace");
    assert_eq!(sealer.open(&sealed, b"traveller/018f/email"), Err(DoesNotOpen));
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let sealer = sealer();
    let sealed = sealer.seal(b"Ada", PLACE).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(sealer.open(&changed, PLACE), Err(DoesNotOpen), "byte {at}, bit {bit}");
        }
        assert_eq!(sealer.open(&sealed[..at], PLACE), Err(DoesNotOpen), "cut at {at}");
    }
}

#[test]
fn the_same_value_never_looks_the_same() {
    let sealer = sealer();
    assert_ne!(sealer.seal(b"x", PLACE).unwrap(), sealer.seal(b"x", PLACE).unwrap());
}

#[test]
fn an_old_key_opens_but_a_new_one_seals() {
    let old_config = Sealer::generate_config();
    let old = Sealer::from_config(&old_config).unwrap();
    let new_key = Sealer::generate_config().expose_secret().replacen("1:", "2:", 1);
    let both = format!("{new_key},{}", old_config.expose_secret());
    let both = Sealer::from_config(&SecretString::from(both)).unwrap();

    let sealed_before = old.seal_text("ticket", PLACE).unwrap();
    assert_eq!(both.open_text(&sealed_before, PLACE).unwrap(), "ticket");
    let sealed_after = both.seal_text("ticket", PLACE).unwrap();
    assert_eq!(both.open_text(&sealed_after, PLACE).unwrap(), "ticket");
    assert_eq!(old.open_text(&sealed_after, PLACE), Err(DoesNotOpen));
}

#[test]
fn text_is_safe_in_a_url() {
    let sealed = sealer().seal_text(&"?&=/+".repeat(20), PLACE).unwrap();
    assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
}

#[test]
fn refuses_lists_it_cannot_trust() {
    let one = Sealer::generate_config();
    let one = one.expose_secret();
    for bad in ["", "1:", "1:AAAA", "256:AAAA", "x", &format!("{one},{one}"), &format!("{one},")] {
        assert!(Sealer::from_config(&SecretString::from(bad.to_owned())).is_err(), "{bad}");
    }
}
