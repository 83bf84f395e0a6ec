//! Links to where traces are shown.

use maud::{Markup, html};

/// What stands for a trace in the address.
const PLACE: &str = "{trace_id}";

/// The address of a trace elsewhere, with [`PLACE`] in it; nothing where traces are not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces(Option<String>);

impl std::str::FromStr for Traces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = text.starts_with("http://") || text.starts_with("https://");
        if known && text.contains(PLACE) {
            return Ok(Self(Some(text.to_owned())));
        }
        Err(format!("must be the address of a trace, with {PLACE} in it"))
    }
}

impl Traces {
    /// A trace's id, with the way to it.
    pub(super) fn link(&self, trace_id: &str) -> Markup {
        let is_one = !trace_id.is_empty() && trace_id.chars().all(|c| c.is_ascii_hexdigit());
        let address = self.0.as_deref().filter(|_| is_one);
        html! {
            code { (trace_id) }
            @if let Some(address) = address {
                " " a href=(address.replace(PLACE, trace_id)) rel="noreferrer" { "its spans" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_leads_to_its_spans_and_nothing_else_leads_anywhere() {
        let traces: Traces = "https://traces.example/trace/{trace_id}".parse().unwrap();
        let link = traces.link("0af7651916cd43dd").into_string();
        assert!(link.contains("href=\"https://traces.example/trace/0af7651916cd43dd\""), "{link}");
        assert!(!traces.link("../admin").into_string().contains("href"));
        assert!(!Traces::default().link("0af7").into_string().contains("href"));
        for wrong in ["javascript:alert('{trace_id}')", "https://traces.example/", ""] {
            assert!(wrong.parse::<Traces>().is_err(), "{wrong}");
        }
    }
}
