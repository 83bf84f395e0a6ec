//! Signatures that hold, and those that do not.

use super::{BadSignature, SigningKey, VerifyingKey};

#[test]
fn verifies_what_it_signed_and_nothing_else() {
    let key = SigningKey::generate().unwrap();
    let public = key.verifying_key();
    let signature = key.sign(b"pay 10 to 0xabc");

    assert_eq!(public.verify(b"pay 10 to 0xabc", &signature), Ok(()));
    assert_eq!(public.verify(b"pay 10 to 0xabd", &signature), Err(BadSignature));
    assert_eq!(public.verify(b"pay 10 to 0xabc", &signature[..63]), Err(BadSignature));
    assert_eq!(public.verify_text(b"x", "not base64!"), Err(BadSignature));
    let other = SigningKey::generate().unwrap().verifying_key();
    assert_eq!(other.verify(b"pay 10 to 0xabc", &signature), Err(BadSignature));
}

#[test]
fn keys_survive_being_printed_and_read() {
    let key = SigningKey::generate().unwrap();
    let same = SigningKey::from_base64(&key.to_base64()).unwrap();
    assert_eq!(same.verifying_key(), key.verifying_key());
    let public = VerifyingKey::from_base64(&key.verifying_key().to_base64()).unwrap();
    assert_eq!(public.verify_text(b"x", &same.sign_text(b"x")), Ok(()));
}

#[test]
fn refuses_keys_of_another_length_and_prints_no_secret() {
    assert!(SigningKey::from_base64(&"AAAA".to_owned().into()).is_err());
    assert!(VerifyingKey::from_base64("AAAA").is_err());
    let key =
        SigningKey::from_base64(&"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=".to_owned().into());
    assert!(!format!("{key:?}").contains("AQEBAQ"));
}
