use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn labels_and_annotations_of_the_user_win() {
    let ours = ObjectMeta {
        labels: Some(map(&[("a", "ours"), ("b", "ours")])),
        annotations: Some(map(&[("c", "ours")])),
        ..ObjectMeta::default()
    };
    let user = AdditionalMetadata {
        labels: map(&[("a", "user"), ("d", "user")]),
        annotations: map(&[("c", "user")]),
    };
    let merged = metadata(ours, Some(&user));
    assert_eq!(
        merged.labels,
        Some(map(&[("a", "user"), ("b", "ours"), ("d", "user")]))
    );
    assert_eq!(merged.annotations, Some(map(&[("c", "user")])));
}

#[test]
fn reserved_labels_are_not_overridden() {
    let ours = map(&[(labels::NAME, "demo"), (labels::PROJECT, "kamaji")]);
    let user = map(&[
        (labels::NAME, "other"),
        (labels::PROJECT, "x"),
        (labels::COMPONENT, "x"),
    ]);
    assert_eq!(super::labels(ours.clone(), &user), ours);
}
