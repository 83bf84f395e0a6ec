//! Who somebody is, by the claims of an ID token, and what they may do here. Pure.

use serde_json::{Map, Value};

use super::{Refused, Settings};
use crate::http::ROLES;

const NAME_MAX: usize = 200;

/// Somebody whom the issuer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// What sessions and the audit call them; never the name of somebody with a password.
    pub(crate) name: String,
    /// The most that they may do; none when no group of theirs is a role.
    pub(crate) role: Option<&'static str>,
}

/// Reads a person from claims that were checked.
///
/// # Errors
/// When the claim that has the name is none.
pub(super) fn person(claims: &Map<String, Value>, settings: &Settings) -> Result<Person, Refused> {
    let name = at(claims, &settings.name_claim).and_then(Value::as_str).map(str::trim);
    let fits = |name: &&str| {
        (1..=NAME_MAX).contains(&name.chars().count()) && !name.contains(char::is_control)
    };
    let name = name.filter(fits).ok_or(Refused::BadToken("it has no name that can be used"))?;
    let groups = match at(claims, &settings.role_claim) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let held = |role: &&&str| {
        settings.roles.iter().any(|it| it.role == **role && groups.contains(&it.group.as_str()))
    };
    let role = ROLES.iter().rev().find(held).copied();
    // No member of staff with a password can have a colon in the name.
    Ok(Person { name: format!("sso:{name}"), role })
}

/// A claim by its name; by a path when none has that name.
fn at<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn settings(name_claim: &str, role_claim: &str) -> Settings {
        Settings {
            issuer: "https://id.example".to_owned(),
            client_id: "us".to_owned(),
            client_secret: SecretString::from("x".to_owned()),
            redirect_url: String::new(),
            scopes: "openid".to_owned(),
            name_claim: name_claim.to_owned(),
            role_claim: role_claim.to_owned(),
            roles: vec![
                "looking=support_viewer".parse().unwrap(),
                "doing=support_operator".parse().unwrap(),
            ],
        }
    }

    fn read(claims: Value, name: &str, role: &str) -> Option<(String, Option<&'static str>)> {
        let person = person(claims.as_object().unwrap(), &settings(name, role)).ok()?;
        Some((person.name, person.role))
    }

    #[test]
    fn a_person_may_do_the_most_of_what_their_groups_may() {
        let of = |groups: Value| read(json!({ "sub": "7", "g": groups }), "sub", "g").unwrap().1;
        assert_eq!(of(json!(["looking", "doing", "else"])), Some("support_operator"));
        assert_eq!(of(json!("looking")), Some("support_viewer"));
        for none in [json!([]), json!("support_operator"), json!(null), json!({ "doing": 1 })] {
            assert_eq!(of(none.clone()), None, "{none}");
        }
        let nested = json!({ "sub": "7", "realm": { "roles": ["doing"] } });
        assert_eq!(read(nested, "sub", "realm.roles").unwrap().1, Some("support_operator"));
        let flat = json!({ "sub": "7", "https://x.example/roles": ["doing"] });
        let role = read(flat, "sub", "https://x.example/roles").unwrap().1;
        assert_eq!(role, Some("support_operator"));
    }

    #[test]
    fn a_name_is_there_and_nobodys_with_a_password() {
        let of = |name: Value| read(json!({ "sub": "7", "name": name }), "name", "g");
        assert_eq!(of(json!(" ada ")).unwrap().0, "sso:ada");
        assert!(!crate::staff::is_name("sso:ada"));
        for bad in [json!(""), json!(7), json!(null), json!("a\u{1b}[2J"), json!("x".repeat(201))] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }
}
