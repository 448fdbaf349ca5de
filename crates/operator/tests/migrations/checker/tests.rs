use super::{History, Id, Seen, State, Watcher, Write, check};

fn id(number: u32) -> Id {
    Id { writer: 1, number }
}

fn write(key: &str, number: u32, revision: i64) -> Write {
    Write {
        key: format!("maps/{key}"),
        state: Some(id(number)),
        revision,
    }
}

fn event(key: &str, state: State, revision: i64) -> Seen {
    Seen::Event {
        revision,
        key: format!("maps/{key}"),
        state,
    }
}

fn list(revision: i64, keys: &[(&str, u32)]) -> Seen {
    let entry = |(key, number): &(&str, u32)| (format!("maps/{key}"), id(*number));
    Seen::List {
        revision,
        keys: keys.iter().map(entry).collect(),
    }
}

/// A client that writes `a` and `b` at revisions 11 to 14 at the source, and from 101 on at the target.
fn history(seen: Vec<Seen>) -> History {
    let writes = vec![
        write("a", 1, 11),
        write("b", 2, 12),
        write("a", 3, 13),
        Write {
            state: None,
            ..write("b", 0, 14)
        },
        write("a", 5, 101),
    ];
    History {
        acknowledged: vec![writes],
        watchers: vec![Watcher {
            prefix: "maps/".to_owned(),
            seen,
        }],
        ..History::default()
    }
}

/// The source up to revision 14, listed anew at the target.
fn complete() -> Vec<Seen> {
    vec![
        list(11, &[("a", 1)]),
        event("b", Some(id(2)), 12),
        event("a", Some(id(3)), 13),
        event("b", None, 14),
        list(100, &[("a", 3)]),
        event("a", Some(id(5)), 101),
    ]
}

/// Asserts that exactly one problem is found, with `words`.
#[track_caller]
fn assert_caught(history: &History, words: &str) {
    let problems = check(history);
    assert!(
        problems.len() == 1 && problems[0].contains(words),
        "{problems:#?}"
    );
}

#[test]
fn complete_history_passes() {
    assert_eq!(check(&history(complete())), [""; 0]);
    let only_listed = vec![list(101, &[("a", 5)])];
    assert_eq!(check(&history(only_listed)), [""; 0]);
}

#[test]
fn write_that_the_target_lacks_is_caught() {
    assert_caught(&history(vec![list(101, &[])]), "not Some((101");
    let mut seen = complete();
    seen[4] = list(100, &[]);
    assert_caught(&history(seen), "a list at revision 100 has None");
}

#[test]
fn older_state_in_a_list_is_caught() {
    let mut seen = complete();
    seen[4] = list(100, &[("a", 1)]);
    assert_caught(&history(seen), "a list at revision 100 has Some");
}

#[test]
fn deleted_key_that_is_back_is_caught() {
    let mut seen = complete();
    seen[4] = list(100, &[("a", 3), ("b", 2)]);
    assert_caught(&history(seen), "for maps/b");
}

#[test]
fn gap_in_a_watch_is_caught_in_the_middle_and_at_the_end() {
    for (missing, revision) in [(1, 12), (2, 13), (5, 101)] {
        let mut seen = complete();
        seen.remove(missing);
        assert_caught(&history(seen), &format!("at revision {revision}, though"));
    }
}

#[test]
fn gap_of_a_watch_that_goes_on_at_the_target_is_caught() {
    let mut seen = complete();
    seen.drain(3..5);
    assert_caught(&history(seen), "no event of maps/b at revision 14");
}

#[test]
fn repeated_and_older_events_are_caught() {
    let mut repeated = complete();
    repeated.insert(3, event("a", Some(id(3)), 13));
    assert_caught(&history(repeated), "at revision 13 after revision 13");
    let mut swapped = complete();
    swapped.swap(1, 2);
    assert_caught(&history(swapped), "at revision 12 after revision 13");
}

#[test]
fn list_at_an_older_revision_is_caught() {
    let mut seen = complete();
    seen[4] = list(13, &[("a", 3), ("b", 2)]);
    let problems = check(&history(seen));
    let words = "a list at revision 13 after revision 14";
    assert!(problems[0].contains(words), "{problems:#?}");
}

#[test]
fn sequence_that_was_not_raised_is_caught() {
    let mut history = history(vec![list(14, &[("a", 3)])]);
    history.acknowledged[0][4].revision = 12;
    let problems = check(&history);
    let words = "acknowledged at a revision that is no newer";
    assert!(problems[0].contains(words), "{problems:#?}");
}

#[test]
fn event_with_another_value_than_written_is_caught() {
    let mut seen = complete();
    seen[1] = event("b", Some(id(9)), 12);
    assert_caught(&history(seen), "an event at revision 12 has");
}

#[test]
fn refused_write_may_not_appear_and_one_without_an_answer_may() {
    let mut seen = complete();
    seen.push(event("a", Some(id(6)), 102));
    let mut history = history(seen);
    assert_caught(&history, "an event at revision 102 has");
    history.open.insert(("maps/a".to_owned(), Some(id(6))));
    assert_eq!(check(&history), [""; 0]);
}

#[test]
fn key_that_nobody_wrote_is_caught() {
    let seen = vec![list(101, &[("a", 5), ("c", 1)])];
    assert_caught(&history(seen), "which nobody wrote");
}
