//! Who staff are: passwords, and the command that makes and ends members of staff.

use std::sync::LazyLock;

use anyhow::{Context as _, bail, ensure};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use chassis::Process;
use messaging::{DatabaseConfig, database};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use tokio::sync::Semaphore;

use crate::{Config, SERVICE, http::ROLES, store};

const NAME_MAX: usize = 40;
/// Longer than anybody's; what is longer is not hashed.
const PASSWORD_MAX: usize = 200;
/// A check takes 19 MiB and some tens of milliseconds: more at once would be a way to kill us.
static CHECKS: Semaphore = Semaphore::const_new(2);

/// What nobody's password matches: a name that is unknown takes as long as one that is not.
static NOBODYS: LazyLock<String> =
    LazyLock::new(|| hash(&chassis::mint::token()).unwrap_or_default());

/// The digest under which a session, or a name that somebody typed, is kept.
pub(crate) fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Says whether a password is the one that was hashed; none was for a name that nobody has.
pub(crate) async fn is_password(password: SecretString, hashed: Option<String>) -> bool {
    let Ok(_turn) = CHECKS.acquire().await else { return false };
    let checked = tokio::task::spawn_blocking(move || {
        let password = password.expose_secret();
        let known = hashed.is_some();
        let hashed = hashed.unwrap_or_else(|| NOBODYS.clone());
        let Ok(hashed) = PasswordHash::new(&hashed) else { return false };
        let right = password.len() <= PASSWORD_MAX
            && Argon2::default().verify_password(password.as_bytes(), &hashed).is_ok();
        known && right
    });
    checked.await.unwrap_or(false)
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

/// `support-console staff add NAME ROLE | password NAME | end NAME`: prints the password it made.
pub(crate) async fn command(
    config: Config,
    _process: Process,
    arguments: Vec<String>,
) -> anyhow::Result<()> {
    let url =
        config.migrate_database_url.context("SUPPORT_CONSOLE_MIGRATE_DATABASE_URL is not set")?;
    let pool = messaging::connect(&DatabaseConfig::new(url, 1, SERVICE)).await;
    let pool = pool.context("connecting to the database")?;
    let mut conn = pool.acquire().await.map_err(database("taking a connection"))?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["add", name, role] => say(&add(&mut conn, name, role).await?),
        ["password", name] => {
            let (password, hashed) = made()?;
            let changed = store::change_password(&mut conn, name, &hashed).await?;
            ensure!(changed, "there is no `{name}`");
            say(&password);
        }
        ["end", name] => {
            ensure!(store::end_staff(&mut conn, name).await?, "there is no `{name}`");
        }
        _ => bail!("staff add NAME ROLE, staff password NAME or staff end NAME"),
    }
    Ok(())
}

/// Adds a member of staff, as the schema's owner; gives back the password, which nobody else has.
///
/// # Errors
/// When the name or the role is none, or the name is taken.
pub async fn add(conn: &mut PgConnection, name: &str, role: &str) -> anyhow::Result<String> {
    let name = checked(name)?;
    ensure!(ROLES.contains(&role), "a role is one of {}", ROLES.join(", "));
    let (password, hashed) = made()?;
    let added = store::add_staff(conn, chassis::mint::uuid7(), name, &hashed, role).await?;
    ensure!(added, "there is a `{name}` already");
    Ok(password)
}

fn made() -> anyhow::Result<(String, String)> {
    let password = chassis::mint::token();
    let hashed = hash(&password).map_err(|error| anyhow::anyhow!("hashing: {error}"))?;
    Ok((password, hashed))
}

/// Whether a member of staff can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(plain)
}

fn checked(name: &str) -> anyhow::Result<&str> {
    ensure!(is_name(name), "a name has 1 to {NAME_MAX} of a-z, 0-9, `.`, `_` and `-`");
    Ok(name)
}

#[expect(clippy::print_stdout, reason = "the command's answer belongs on stdout")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_checked_against_its_hash_and_an_unknown_name_has_none() {
        let (password, hashed) = made().unwrap();
        assert!(hashed.starts_with("$argon2id$"), "{hashed}");
        let check = |text: &str, hashed: Option<&String>| {
            is_password(SecretString::from(text.to_owned()), hashed.cloned())
        };
        assert!(check(&password, Some(&hashed)).await);
        assert!(!check("another", Some(&hashed)).await);
        assert!(!check(&password, None).await);
        assert!(!check(&"x".repeat(PASSWORD_MAX + 1), Some(&hashed)).await);
    }

    #[test]
    fn a_name_is_plain() {
        assert!(checked("ada.l-1_x").is_ok());
        for bad in ["", "Ada", "a b", "a<b>", "a\0", &"x".repeat(NAME_MAX + 1)] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
