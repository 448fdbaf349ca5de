//! Rules about DNS labels, names and hosts, shared by every module that checks them.

/// Longest DNS name, in characters.
pub const LONGEST_NAME: usize = 253;
/// Longest DNS label, in characters.
pub const LONGEST_LABEL: usize = 63;

/// True for an RFC 1123 label in lower case of at most `longest` characters: a-z, 0-9 and `-`, which neither
/// begins nor ends it.
pub fn is_label(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// True for an RFC 1123 name of labels in either case, without a wildcard.
pub fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text
            .split('.')
            .all(|label| is_label(&label.to_ascii_lowercase(), LONGEST_LABEL))
}

/// True for a host as Ingress and Gateway API take it: a name in lower case, which may begin with `*.`.
pub fn is_host(text: &str) -> bool {
    let name = without_wildcard(text);
    name.len() <= LONGEST_NAME && name.split('.').all(|label| is_label(label, LONGEST_LABEL))
}

/// Returns the name below a leading `*.`, or the whole text if it has none.
pub fn without_wildcard(text: &str) -> &str {
    text.strip_prefix("*.").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_either_case_and_hosts_lower_case_and_a_wildcard() {
        let long = format!("{}.example.com", "a".repeat(64));
        let longer = vec!["a".repeat(63); 4].join(".");
        for (text, name, host) in [
            ("demo.example.com", true, true),
            ("Demo.Example.com", true, false),
            ("*.example.com", false, true),
            ("*.*.example.com", false, false),
            ("", false, false),
            ("demo..com", false, false),
            ("demo.example.com.", false, false),
            ("-demo.example.com", false, false),
            ("demo-.example.com", false, false),
            ("d\u{f6}mo.example.com", false, false),
            ("demo_1.example.com", false, false),
            (&long, false, false),
            (&longer, false, false),
        ] {
            assert_eq!((is_name(text), is_host(text)), (name, host), "{text:?}");
        }
    }
}
