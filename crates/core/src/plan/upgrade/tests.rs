use super::*;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn patches_and_the_next_minor_are_allowed() {
    for (from, to) in [
        ("v1.35.1", "v1.35.7"),
        ("v1.35.7", "v1.35.1"),
        ("v1.35.7", "v1.36.0"),
    ] {
        assert_eq!(
            evaluate(&version(from), &version(to)),
            Ok(()),
            "{from} to {to}"
        );
    }
}

#[test]
fn older_and_skipped_minors_are_refused_with_the_allowed_ones() {
    let down = evaluate(&version("v1.36.0"), &version("v1.35.9")).unwrap_err();
    assert!(
        down.to_string()
            .contains("downgrade from v1.36.0 to v1.35.9")
    );
    let skip = evaluate(&version("v1.34.0"), &version("v1.36.0")).unwrap_err();
    assert!(
        skip.to_string().contains("upgrade to v1.35 first"),
        "{skip}"
    );
}
