//! Objects as text of JSON and YAML in which no character acts on a terminal.

use std::fmt::Write as _;

use anyhow::Context;
use serde_json::Value;

use crate::terminal::acts;

/// JSON of an object, indented, with a line end.
pub fn as_json(object: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(object).context("writing JSON")?;
    let mut escaped = String::with_capacity(text.len() + 1);
    let mut units = [0; 2];
    for character in text.chars() {
        if character != '\n' && acts(character) {
            // Only texts have such characters, and there this is the same character.
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped.push('\n');
    Ok(escaped)
}

/// YAML of an object. One with characters that act on a terminal is written in the form of JSON, which is YAML, too.
pub fn as_yaml(object: &Value) -> anyhow::Result<String> {
    let text = serde_saphyr::to_string(object).context("writing YAML")?;
    if text.chars().any(|c| c != '\n' && acts(c)) {
        return as_json(object);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_read_back_as_they_are_and_no_character_acts() {
        for evil in [
            "\u{1b}]0;x\u{7}",
            "\u{9b}31m",
            "\u{202e}",
            "a\nb",
            "yes",
            "0123",
        ] {
            let object = json!({"annotations": {"k": evil}, "n": 1});
            let (json, yaml) = (as_json(&object).unwrap(), as_yaml(&object).unwrap());
            for text in [&json, &yaml] {
                let acting = text.chars().find(|c| *c != '\n' && acts(*c));
                assert_eq!(acting, None, "{text:?}");
            }
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), object);
            assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), object);
        }
    }
}
