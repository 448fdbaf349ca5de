//! YAML in the format that Go's encoder writes.
//!
//! The texts in a tenant's ConfigMaps are compared byte by byte with what upstream left there:
//! taking over a tenant should not touch them. So lists are indented to the depth of their key, and only
//! what would be read as something else is quoted.

use std::net::Ipv4Addr;

use serde_json::Value;

/// The value as a YAML document.
pub(super) fn write(value: &Value) -> String {
    inline(value).map_or_else(|| block(value, 0), |text| text + "\n")
}

/// Text of a value after a key or a dash.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => map.is_empty().then(|| "{}".to_owned()),
        Value::Array(items) => items.is_empty().then(|| "[]".to_owned()),
        Value::String(text) => Some(string(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
    }
}

/// Whole lines, of a map or list that is not empty.
fn block(value: &Value, depth: usize) -> String {
    let indent = " ".repeat(depth);
    let entry = |(key, value): (&String, &Value)| {
        let key = string(key);
        let below = if value.is_array() { depth } else { depth + 2 };
        inline(value).map_or_else(
            || format!("{indent}{key}:\n{}", block(value, below)),
            |text| format!("{indent}{key}: {text}\n"),
        )
    };
    let item = |value: &Value| {
        inline(value).map_or_else(
            || {
                format!(
                    "{indent}- {}",
                    block(value, depth + 2).trim_start_matches(' ')
                )
            },
            |text| format!("{indent}- {text}\n"),
        )
    };
    match value {
        Value::Object(map) => map.iter().map(entry).collect(),
        Value::Array(items) => items.iter().map(item).collect(),
        scalar => scalar.to_string(),
    }
}

/// Plain where it parses as the same string, else quoted as in JSON.
fn string(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn is_plain(text: &str) -> bool {
    let shape = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "./_-:+=".contains(c))
        && !text.ends_with(':');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    shape && (word || is_address(text) || is_quantity(text))
}

/// Words that one YAML or another reads as something else than text.
const WORDS: [&str; 9] = ["y", "yes", "on", "n", "no", "off", "true", "false", "null"];

/// `10.0.0.1`, `10.0.0.1:6443` or `10.0.0.0/16`.
fn is_address(text: &str) -> bool {
    let end = text.find([':', '/']).unwrap_or(text.len());
    text[..end].parse::<Ipv4Addr>().is_ok()
        && text[end..].chars().skip(1).all(|c| c.is_ascii_digit())
}

/// `10Mi` or `1m0s`, which no YAML reads as a number.
fn is_quantity(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "hmsKMGi".contains(c))
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
