//! Entries of the registry of assets, made from a token list in the format that tokenlists.org
//! describes: nobody copies contracts by hand.

use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct List {
    name: String,
    version: Version,
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    chain_id: u64,
    address: String,
    symbol: String,
    name: String,
    decimals: u8,
}

/// Prints an entry for each of these symbols on one network, and says which it did not find.
///
/// `network` is the network's name in the ids: `usdc-base`. A symbol may be followed by `=` and
/// what one coin is worth at most.
pub(crate) fn print(list: &Path, chain_id: &str, network: &str, symbols: &[&str]) -> bool {
    let text = std::fs::read_to_string(list).expect("the list can be read");
    let list: List = serde_json::from_str(&text).expect("it is a token list");
    let Version { major, minor, patch } = list.version;
    println!("\n# {network}: from {}, {major}.{minor}.{patch}", list.name);
    let chain: u64 = chain_id.parse().expect("a chain's number");
    let mut good = true;
    for wanted in symbols {
        let (symbol, worth) = wanted.split_once('=').unwrap_or((wanted, ""));
        let found: Vec<_> =
            list.tokens.iter().filter(|t| t.chain_id == chain && t.symbol == symbol).collect();
        match found.as_slice() {
            [token] => print!("{}", entry(token, network, worth)),
            others => {
                eprintln!("{symbol} stands {} times in the list for chain {chain}", others.len());
                good = false;
            }
        }
    }
    good
}

fn entry(token: &Token, network: &str, worth: &str) -> String {
    let plain: String =
        token.symbol.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let Token { chain_id, address, name, decimals, .. } = token;
    let worth = if worth.is_empty() { String::new() } else { format!("worth = \"{worth}\"\n") };
    let name = name.replace(['"', '\\'], "");
    format!(
        "\n[[asset]]\nid = \"{plain}-{network}\"\nname = \"{name}\"\n\
         chain = \"eip155:{chain_id}\"\n\
         contract = \"{address}\"\ndecimals = {decimals}\nfeed = \"{plain}\"\n{worth}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_what_the_list_says() {
        let token = Token {
            chain_id: 8453,
            address: "0xAb".to_owned(),
            symbol: "USDC.e".to_owned(),
            name: "Some \"coin\"".to_owned(),
            decimals: 6,
        };
        let expected = "\n[[asset]]\nid = \"usdce-base\"\nname = \"Some coin\"\n\
            chain = \"eip155:8453\"\n\
            contract = \"0xAb\"\ndecimals = 6\nfeed = \"usdce\"\nworth = \"1\"\n";
        assert_eq!(entry(&token, "base", "1"), expected);
    }
}
