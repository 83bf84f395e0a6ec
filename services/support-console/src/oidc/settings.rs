//! Which issuer, as whom, and which of its groups are which role.

use std::str::FromStr;

use chassis::config::Vars;
use secrecy::SecretString;

use crate::http::ROLES;

/// What the console is told about an issuer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Exactly as the issuer calls itself.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// Where the issuer sends browsers back to: the console's `/sign-in/oidc/back`.
    pub redirect_url: String,
    /// What is asked for, separated by blanks.
    pub scopes: String,
    /// The claim that a person is known by here: one that nobody can change for themselves.
    pub name_claim: String,
    /// The claim that has a person's groups; one inside another is written with a point.
    pub role_claim: String,
    pub roles: Vec<Role>,
}

/// A group of the issuer, and the role that it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub group: String,
    pub role: &'static str,
}

/// The text is not `group=role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `group=role`, with a role of staff")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let (group, role) = text.rsplit_once('=').ok_or(NotARole)?;
        let role = ROLES.into_iter().find(|known| *known == role.trim()).ok_or(NotARole)?;
        let group = group.trim().to_owned();
        if group.is_empty() { Err(NotARole) } else { Ok(Self { group, role }) }
    }
}

impl Settings {
    /// None without an issuer: then nobody signs in by one.
    pub(crate) fn read(vars: &Vars<'_>) -> Option<Self> {
        const ISSUER: &str = "SUPPORT_CONSOLE_OIDC_ISSUER";
        let issuer = vars.optional(ISSUER);
        let needed = |key: &str| {
            let value = vars.optional(key);
            if issuer.is_some() && value.is_none() {
                vars.problem::<()>(key, "is not set");
            }
            value.unwrap_or_default()
        };
        let client_id = needed("SUPPORT_CONSOLE_OIDC_CLIENT_ID");
        let redirect_url = needed("SUPPORT_CONSOLE_OIDC_REDIRECT_URL");
        let secret = vars.optional_secret("SUPPORT_CONSOLE_OIDC_CLIENT_SECRET");
        let scopes = vars.optional("SUPPORT_CONSOLE_OIDC_SCOPES");
        let name_claim = vars.optional("SUPPORT_CONSOLE_OIDC_NAME_CLAIM");
        let role_claim = vars.optional("SUPPORT_CONSOLE_OIDC_ROLE_CLAIM");
        let roles_key = "SUPPORT_CONSOLE_OIDC_ROLES";
        let roles = vars.list(roles_key).into_iter().filter_map(|text| {
            text.parse::<Role>()
                .map_err(|error| vars.problem::<()>(roles_key, format!("`{text}` {error}")))
                .ok()
        });
        let roles: Vec<Role> = roles.collect();
        let issuer = issuer?;
        if secret.is_none() {
            vars.problem::<()>("SUPPORT_CONSOLE_OIDC_CLIENT_SECRET", "is not set");
        }
        if roles.is_empty() {
            vars.problem::<()>(roles_key, "is not set: nobody could do anything");
        }
        if !is_safe(&issuer) {
            vars.problem::<()>(ISSUER, "must be https, or on this machine");
        }
        Some(Self {
            issuer,
            client_id,
            client_secret: secret.unwrap_or_default(),
            redirect_url,
            scopes: scopes.unwrap_or_else(|| "openid".to_owned()),
            name_claim: name_claim.unwrap_or_else(|| "sub".to_owned()),
            role_claim: role_claim.unwrap_or_else(|| "groups".to_owned()),
            roles,
        })
    }
}

/// Nobody on the way can read or change what is said there.
pub(super) fn is_safe(url: &str) -> bool {
    let here = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| {
            host.strip_prefix(known).is_some_and(|port| port.is_empty() || port.starts_with(':'))
        })
    };
    url.starts_with("https://") || url.strip_prefix("http://").is_some_and(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_role_of_staff_or_the_console_does_not_start() {
        let role = "ou=support=support_operator".parse::<Role>();
        assert_eq!(role, Ok(Role { group: "ou=support".to_owned(), role: "support_operator" }));
        for bad in ["support_operator", "=support_operator", "all=admin", "all="] {
            assert_eq!(bad.parse::<Role>(), Err(NotARole), "{bad}");
        }
    }

    #[test]
    fn an_issuer_is_spoken_to_by_https_unless_it_is_on_this_machine() {
        for good in ["https://id.example/", "http://127.0.0.1:7070/issuer", "http://localhost"] {
            assert!(is_safe(good), "{good}");
        }
        for bad in ["http://id.example", "http://localhost.evil.example", "ftp://x", ""] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
