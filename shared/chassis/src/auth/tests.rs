//! Tokens that are good here, and all that are not.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Bearer, Refused, Signer, Verifier, guarded, guarded_for};

const ISSUER: &str = "https://id.holdfast.dev";
const HOUR: Duration = Duration::from_secs(3600);

fn pair() -> (Signer, Verifier) {
    let signer = Signer::generate(ISSUER).unwrap();
    let verifier = Verifier::from_keys(&[signer.public_key()], ISSUER, "booking").unwrap();
    (signer, verifier)
}

fn claims() -> Value {
    let exp = get_current_timestamp() + 60;
    json!({ "sub": "account-1", "iss": ISSUER, "aud": "booking", "exp": exp })
}

#[test]
fn a_good_token_says_who_and_what_for() {
    let (signer, verifier) = pair();
    let token = signer.token("account-1", &["traveller"], "booking", HOUR).unwrap();
    let claims = verifier.verify(token.expose_secret()).unwrap();
    assert_eq!(claims.sub, "account-1");
    assert!(claims.has_role("traveller"));
    assert!(!claims.has_role("staff"));
}

#[test]
fn a_token_for_several_audiences_is_good_for_each() {
    let (signer, verifier) = pair();
    let mut several = claims();
    several["aud"] = json!(["console", "booking"]);
    let token = signer.sign(&several).unwrap();
    assert!(verifier.verify(token.expose_secret()).is_ok());
}

#[test]
fn a_claim_that_is_absent_is_refused_like_a_wrong_one() {
    let (signer, verifier) = pair();
    assert!(verifier.verify(signer.sign(&claims()).unwrap().expose_secret()).is_ok());
    for absent in ["exp", "iss", "aud", "sub"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(absent);
        let token = signer.sign(&without).unwrap();
        assert_eq!(verifier.verify(token.expose_secret()), Err(Refused::Invalid), "{absent}");
    }
    for (wrong, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("console")),
        ("aud", json!(["console"])),
        ("aud", json!([])),
        ("exp", json!("tomorrow")),
        ("exp", json!(null)),
        ("nbf", json!(get_current_timestamp() + 600)),
    ] {
        let mut with = claims();
        with[wrong] = value.clone();
        let token = signer.sign(&with).unwrap();
        assert_eq!(
            verifier.verify(token.expose_secret()),
            Err(Refused::Invalid),
            "{wrong} {value}"
        );
    }
}

#[test]
fn an_expired_token_is_told_apart() {
    let (signer, verifier) = pair();
    let mut old = claims();
    old["exp"] = json!(get_current_timestamp() - 30);
    let token = signer.sign(&old).unwrap();
    assert_eq!(verifier.verify(token.expose_secret()), Err(Refused::Expired));
}

#[test]
fn a_token_that_is_known_expires_all_the_same() {
    let (signer, verifier) = pair();
    let mut short = claims();
    // Within the leeway, for two seconds more.
    short["exp"] = json!(get_current_timestamp() - super::LEEWAY_SECONDS + 1);
    let token = signer.sign(&short).unwrap();
    assert!(verifier.verify(token.expose_secret()).is_ok());
    let mut last = verifier.verify(token.expose_secret());
    for _tenth in 0..50 {
        if last.is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        last = verifier.verify(token.expose_secret());
    }
    assert_eq!(last, Err(Refused::Expired));
}

#[test]
fn no_other_algorithm_is_believed() {
    let (signer, verifier) = pair();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = part(&claims());

    let none = format!("{}.{body}.", part(&json!({ "alg": "none", "typ": "JWT" })));
    assert_eq!(verifier.verify(&none), Err(Refused::Invalid));
    let empty = format!("{}.{body}.", part(&json!({ "alg": "EdDSA", "typ": "JWT" })));
    assert_eq!(verifier.verify(&empty), Err(Refused::Invalid));

    // The public key is public: used as a shared secret it must open nothing.
    let public = signer.public_key();
    for secret in [public.as_bytes().to_vec(), super::STANDARD.decode(&public).unwrap()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(&secret);
            let forged = jsonwebtoken::encode(&Header::new(algorithm), &claims(), &key).unwrap();
            assert_eq!(verifier.verify(&forged), Err(Refused::Invalid), "{algorithm:?}");
        }
    }
}

#[test]
fn a_changed_or_foreign_token_is_refused() {
    let (signer, verifier) = pair();
    let token = signer.sign(&claims()).unwrap();
    let token = token.expose_secret();
    let (head, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let mut other = claims();
    other["sub"] = json!("account-2");
    let changed = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(other.to_string()));
    assert_eq!(verifier.verify(&changed), Err(Refused::Invalid));

    let (stranger, _) = pair();
    let foreign = stranger.sign(&claims()).unwrap();
    assert_eq!(verifier.verify(foreign.expose_secret()), Err(Refused::Invalid));
    for garbage in ["", ".", "..", "a.b.c", &"x".repeat(100_000)] {
        assert_eq!(verifier.verify(garbage), Err(Refused::Invalid));
    }
}

#[test]
fn a_second_key_lets_keys_be_changed_without_a_gap() {
    let (old, new) = (Signer::generate(ISSUER).unwrap(), Signer::generate(ISSUER).unwrap());
    let keys = [new.public_key(), old.public_key()];
    let verifier = Verifier::from_keys(&keys, ISSUER, "booking").unwrap();
    for signer in [old, new] {
        let token = signer.sign(&claims()).unwrap();
        assert!(verifier.verify(token.expose_secret()).is_ok());
    }
    assert!(Verifier::from_keys::<String>(&[], ISSUER, "booking").is_err());
    assert!(Verifier::from_keys(&["AAAA"], ISSUER, "booking").is_err());
}

#[test]
fn keys_may_come_as_pem_on_one_line_or_many() {
    // Made by `openssl genpkey -algorithm ed25519`, for this test alone.
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAhDZYCRnTfH9aWt6I6SXIH5NwVLZyYhAVaKr9Zpm5cQ\n-----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEALe3+KFWIu7EM0udx/pVlsdK1Iq1CNN375Rcf8s6oOXo=\n-----END PUBLIC KEY-----\n";
    let one_line = SecretString::from(private.replace('\n', "\\n"));
    let signer = Signer::from_pem(&one_line, ISSUER).unwrap();
    let token = signer.sign(&claims()).unwrap();
    for key in [public.to_owned(), public.replace('\n', "\\n"), signer.public_key()] {
        let verifier = Verifier::from_keys(&[key], ISSUER, "booking").unwrap();
        assert!(verifier.verify(token.expose_secret()).is_ok());
    }
    assert!(Signer::from_pem(&SecretString::from(public.to_owned()), ISSUER).is_err());
}

async fn status(router: &Router, path: &str, authorization: Option<&str>) -> StatusCode {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn a_guard_closes_every_route_and_hands_on_who_asks() {
    let (signer, verifier) = pair();
    let who = |Bearer(claims): Bearer| async move { claims.sub };
    let open = Router::new().route("/open", get(|| async { "open" }));
    let mine = Router::new().route("/mine", get(who));
    let staff = Router::new().route("/staff", get(who));
    let router = open
        .merge(guarded(mine, verifier.clone()))
        .merge(guarded_for(staff, verifier, "staff"))
        .route("/forgotten", get(who));

    let token = signer.token("account-1", &[], "booking", HOUR).unwrap();
    let traveller = format!("Bearer {}", token.expose_secret());
    let token = signer.token("staff-1", &["staff"], "booking", HOUR).unwrap();
    let staff = format!("bearer {}", token.expose_secret());

    assert_eq!(status(&router, "/open", None).await, StatusCode::OK);
    assert_eq!(status(&router, "/mine", None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&router, "/mine", Some("Basic eDp5")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&router, "/mine", Some("Bearer x")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&router, "/mine", Some(&traveller)).await, StatusCode::OK);
    assert_eq!(status(&router, "/staff", Some(&traveller)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&router, "/staff", Some(&staff)).await, StatusCode::OK);
    assert_eq!(status(&router, "/staff", None).await, StatusCode::UNAUTHORIZED);
    // Nobody guards it, so nobody gets in, not even with a good token.
    let forgotten = status(&router, "/forgotten", Some(&staff)).await;
    assert_eq!(forgotten, StatusCode::INTERNAL_SERVER_ERROR);
}
