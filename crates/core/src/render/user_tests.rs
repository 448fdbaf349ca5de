use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_users_metadata_wins() {
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
fn labels_by_which_objects_are_found_stay_ours() {
    let ours = map(&[(labels::NAME, "demo"), (labels::PROJECT, "kamaji")]);
    let user = map(&[
        (labels::NAME, "other"),
        (labels::PROJECT, "x"),
        (labels::COMPONENT, "x"),
    ]);
    assert_eq!(super::labels(ours.clone(), &user), ours);
}
