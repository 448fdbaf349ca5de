//! Versions of Kubernetes as arguments.

/// Reads a version with or without the `v`, and returns it with.
pub fn parse_version(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    match semver::Version::parse(bare) {
        Ok(version) if text.len() <= 64 => Ok(format!("v{version}")),
        _ => Err("write it as v1.36.3".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_their_letter() {
        assert_eq!(parse_version("1.36.3"), Ok("v1.36.3".to_owned()));
        assert_eq!(parse_version("v1.36.3"), Ok("v1.36.3".to_owned()));
        for wrong in ["", "v", "1.36", "latest", "vv1.36.3"] {
            assert!(parse_version(wrong).is_err(), "{wrong}");
        }
    }
}
