use std::collections::BTreeSet;

use super::Reason;

/// Page for users with all reasons.
const PAGE: &str = include_str!("../../../../../docs/conditions.md");

/// Reason and meaning of each row of the page.
fn documented() -> Vec<(&'static str, &'static str)> {
    let rows = PAGE.lines().filter(|line| line.starts_with('|'));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, reason, meaning, action, _] = cells[..] else {
            panic!("a row of docs/conditions.md has not four cells: {row}");
        };
        assert!(!action.is_empty(), "no action: {row}");
        let reason = reason.strip_prefix('`')?.strip_suffix('`')?;
        Some((reason, meaning))
    })
    .collect()
}

#[test]
fn reason_text_is_unique_camel_case_that_parses() {
    let mut texts = BTreeSet::new();
    for &reason in Reason::ALL {
        let text = reason.as_str();
        assert!(texts.insert(text), "{text} is twice in the enum");
        assert!(text.starts_with(|first: char| first.is_ascii_uppercase()));
        assert!(text.chars().all(|c| c.is_ascii_alphabetic()), "{text}");
        assert_eq!(Reason::parse(text), Some(reason));
    }
    assert_eq!(Reason::parse("Unheard"), None);
}

#[test]
fn page_of_conditions_lists_exactly_the_reasons_with_their_meaning() {
    let documented = documented();
    for (text, meaning) in &documented {
        let reason = Reason::parse(text);
        let reason = reason.unwrap_or_else(|| panic!("{text} is no reason any more"));
        assert_eq!(*meaning, reason.meaning(), "of {text}");
    }
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !documented.iter().any(|(text, _)| *reason == text))
        .collect();
    assert!(missing.is_empty(), "docs/conditions.md lacks {missing:?}");
}

#[test]
fn meaning_of_a_reason_is_one_sentence() {
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        let first = meaning.chars().next();
        assert!(first.is_some_and(char::is_uppercase), "{meaning}");
        assert_eq!(meaning.find(". "), None, "{meaning}");
        assert!(meaning.ends_with('.'), "{meaning}");
    }
}
