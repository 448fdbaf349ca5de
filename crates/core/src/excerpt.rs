//! Shortens text of another origin for use in a message.

/// `text` with at most `most` bytes of it, and an ellipsis where something was left out.
pub fn excerpt(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(excerpt("four", 4), "four");
        assert_eq!(excerpt("fünf", 2), "f…");
        assert_eq!(excerpt("", 0), "");
    }
}
