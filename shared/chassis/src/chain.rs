//! Prints an error together with everything that caused it, on one line.

use std::{error::Error, fmt};

/// Wraps an error so that its `Display` shows the whole chain of causes, outermost first.
///
/// Errors in this workspace never print their own source, so this is the one place where a chain
/// becomes text: `tracing::error!(error = %chassis::chain(&error), "...")`.
pub fn chain<'a>(error: &'a (dyn Error + 'a)) -> Chain<'a> {
    Chain(error)
}

/// An error that prints all its causes; made by [`chain`].
#[derive(Clone, Copy)]
pub struct Chain<'a>(&'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut last = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            // Some libraries pass their source's text through as their own: once is enough.
            let text = error.to_string();
            if text != last {
                write!(f, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the rate")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Inner;

    #[test]
    fn prints_every_cause_once() {
        assert_eq!(chain(&Outer(Inner)).to_string(), "reading the rate: connection refused");
    }

    #[test]
    fn works_on_anyhow_errors() {
        let error = anyhow::Error::new(Outer(Inner)).context("start-up");
        assert_eq!(
            chain(error.as_ref()).to_string(),
            "start-up: reading the rate: connection refused"
        );
    }
}
