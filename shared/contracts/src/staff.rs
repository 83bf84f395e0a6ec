//! Who of staff is the same person. People come by a token, by a password, or from an issuer, and
//! what needs two of them must not be had by coming twice.

/// Before the name of whoever an issuer named.
pub const BY_ISSUER: &str = "sso:";

/// Whether two names may be one person's: the same name whichever way it came, in capitals or
/// small, and with or without the domain that an issuer puts behind it.
///
/// Rather two people are taken for one than one for two: then a third has to help.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    match (one.split_once('@'), other.split_once('@')) {
        (Some((local, _)), None) => local == other,
        (None, Some((local, _))) => one == local,
        (Some(_), Some(_)) | (None, None) => one == other,
    }
}

fn plain(name: &str) -> String {
    let name = name.trim();
    name.strip_prefix(BY_ISSUER).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::same_person;

    #[test]
    fn a_name_is_the_same_persons_whichever_way_it_came() {
        for other in ["ada", "sso:ada", "Ada", "sso:ADA@example.org", "ada@example.org"] {
            assert!(same_person("ada", other), "{other}");
            assert!(same_person(other, "sso:ada"), "{other}");
        }
        for other in ["otto", "sso:otto", "adam", "sso:otto@example.org", ""] {
            assert!(!same_person("ada", other), "{other}");
        }
        assert!(!same_person("sso:ada@one.org", "sso:ada@two.org"), "two of one name");
    }
}
