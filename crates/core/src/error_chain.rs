//! [`chain`]: text of an error with its causes in one line.

/// `error` and its causes, separated by `: `. A cause whose text is contained already is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Option<Box<Layer>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Layer {
            text,
            source: layers(rest),
        }))
    }

    #[test]
    fn causes_follow_the_error_and_repeated_text_is_left_out() {
        let error = layers(&["cannot connect: refused", "refused", "os error 111"]).unwrap();
        assert_eq!(
            chain(error.as_ref()),
            "cannot connect: refused: os error 111"
        );
    }
}
