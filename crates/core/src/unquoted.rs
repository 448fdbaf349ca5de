//! Errors of parsers in words that quote nothing of the text, which may be a password or a key. Parsers' own messages
//! have excerpts of it, and values of a wrong type.

use pem::PemError;

/// Cause of an error in YAML, with the position where it is known.
pub fn yaml(error: &serde_saphyr::Error) -> String {
    let what = "no YAML of the expected structure";
    let location = error.location().filter(|location| location.line() > 0);
    location.map_or_else(
        || what.to_owned(),
        |at| format!("{what} at line {}, column {}", at.line(), at.column()),
    )
}

/// Cause of an error in PEM.
pub fn pem(error: &PemError) -> &'static str {
    match error {
        PemError::MismatchedTags(..) => "the BEGIN and END lines of a block differ",
        PemError::MalformedFraming => "a block has no complete BEGIN and END line",
        PemError::MissingBeginTag => "a block has no BEGIN line",
        PemError::MissingEndTag => "a block has no END line",
        PemError::MissingData => "a block has no data",
        PemError::InvalidData(_) => "a block is not base64",
        PemError::InvalidHeader(_) => "a header of a block has no colon",
        PemError::NotUtf8(_) => "it is not UTF-8 text",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{pem, yaml};

    const SECRET: &str = "hunter22";

    #[derive(Debug, Deserialize)]
    struct Login {
        #[serde(rename = "user")]
        _user: Vec<u16>,
    }

    #[test]
    fn errors_in_yaml_name_the_position_and_quote_nothing() {
        for text in [
            SECRET.to_owned(),
            format!("user: {SECRET}"),
            format!("user:\n- 1\n- {SECRET}"),
            format!("{SECRET}: 1"),
            format!("user: *{SECRET}"),
            format!("user: [{SECRET}"),
            format!("user: !{SECRET} x"),
            format!("user: [1]\n{SECRET}: 1\n{SECRET}: 2"),
        ] {
            let Err(error) = serde_saphyr::from_str::<Login>(&text) else {
                panic!("{text:?} is read");
            };
            let said = yaml(&error);
            assert!(!said.contains(SECRET), "{said}");
            assert!(said.contains("line "), "{text:?}: {said}");
        }
    }

    #[test]
    fn errors_in_pem_quote_nothing() {
        for text in [
            format!("-----BEGIN A-----\n{SECRET}\n\nAAAA\n-----END A-----"),
            format!("-----BEGIN {SECRET}-----\nAAAA\n-----END A-----"),
            format!("-----BEGIN A-----\n{SECRET}!\n-----END A-----"),
        ] {
            let error = ::pem::parse(&text).unwrap_err();
            let said = pem(&error);
            assert!(!said.contains(SECRET), "{said}");
        }
    }
}
