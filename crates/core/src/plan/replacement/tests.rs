use super::*;

#[test]
fn annotation_round_trips() {
    let lost = Replacements::from([
        (Trusted::Ca, "0123456789abcdef".to_owned()),
        (Trusted::ServiceAccount, "1-2".to_owned()),
    ]);
    assert_eq!(text(&lost), "ca:0123456789abcdef,sa:1-2");
    assert_eq!(parse(&text(&lost)), Ok(lost.clone()));
    assert_eq!(parse(" ca:0123456789abcdef , sa:1-2"), Ok(lost));
}

#[test]
fn inexact_annotation_is_refused() {
    for item in ["", "ca", "ca:", "CA:1", "all:1", "ca:a b", "ca:a:b"] {
        let refused = parse(item);
        assert_eq!(refused, Err(ReplacementError::Item(item.to_owned())));
    }
    let long = format!("ca:{}", "a".repeat(LONGEST_ID + 1));
    assert_eq!(parse(&long), Err(ReplacementError::Item(long.clone())));
    assert_eq!(parse("sa:1,sa:2"), Err(ReplacementError::Twice("sa")));
    let longer = ",".repeat(LONGEST + 1);
    assert_eq!(parse(&longer), Err(ReplacementError::TooLong(513)));
}
