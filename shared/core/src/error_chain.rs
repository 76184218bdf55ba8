//! The error chain: an error with all its causes, in one line for people.

use std::error::Error;

/// An error with all that caused it, in one line. A cause that the text before it names already is left out.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn every_cause_is_told_once() {
        let chain = ["refused", "connect: refused", "connect: refused", "the call failed"];
        let error = chain.into_iter().fold(None, |cause, text| Some(Box::new(Link(text, cause))));
        assert_eq!(error_chain(&error.unwrap()), "the call failed: connect: refused");
    }
}
