use kamaji_api::owner::Owner;

use super::*;

fn tenancy() -> Tenancy {
    Tenancy::parse(crate::Driver::Etcd, "cp-a", "user-a", Owner::default()).unwrap()
}

fn part(prefixes: &[&str]) -> Part {
    Part::parse(prefixes.iter().copied()).unwrap()
}

fn frozen(prefixes: &[&str]) -> Frozen {
    Frozen::default().with(&part(prefixes), "one").unwrap()
}

/// True if a permission to write covers `key`, as etcd decides it.
fn writable(permissions: &[(Access, Range)], key: &str) -> bool {
    let key = key.as_bytes();
    permissions
        .iter()
        .any(|(access, range)| *access == Access::Full && *range.start <= *key && *key < *range.end)
}

#[test]
fn frozen_parts_are_read_only_and_every_neighbour_stays_writable() {
    let permissions =
        frozen(&["events/", "leases/", "example.com/widgets/"]).permissions(&tenancy());
    for key in [
        "events/",
        "events/default/e",
        "leases/x",
        "example.com/widgets/a",
        "events/~",
    ] {
        assert!(!writable(&permissions, &format!("/cp-a/{key}")), "{key}");
    }
    for key in [
        "",
        "a",
        "event",
        "events",
        "events.k8s.io/x",
        "events-x/y",
        "events0",
        "leases",
        "leasecandidates/x",
        "example.com/widgets",
        "example.com/widgets2/a",
        "pods/x",
        "~",
        "\u{7f}",
    ] {
        assert!(writable(&permissions, &format!("/cp-a/{key}")), "{key}");
    }
    for key in ["/cp-a", "/cp-a0", "/cp-aa/events/x", "/cp-b/pods/x", "/cp-"] {
        assert!(!writable(&permissions, key), "{key}");
    }
    let own = Range::of(&tenancy().schema);
    assert_eq!(permissions.last(), Some(&(Access::Read, own)));
}

#[test]
fn permissions_of_nested_and_adjacent_parts_do_not_overlap() {
    let nested = Frozen::parse(Some(b"services/ one\nservices/specs/ two\n")).unwrap();
    let permissions = nested.permissions(&tenancy());
    assert_eq!(permissions.len(), 3, "{permissions:?}");
    for key in [
        "/cp-a/services/specs/x",
        "/cp-a/services/t",
        "/cp-a/services/a",
    ] {
        assert!(!writable(&permissions, key), "{key}");
    }
}

#[test]
fn a_read_only_tenant_writes_nowhere_and_one_without_frozen_parts_everywhere() {
    let read_only = Tenancy {
        access: crate::Access::ReadOnly,
        ..tenancy()
    };
    let own = Range::of(&read_only.schema);
    let reads = vec![(Access::Read, own.clone())];
    assert_eq!(frozen(&["events/"]).permissions(&read_only), reads);
    let all = vec![(Access::Full, own)];
    assert_eq!(Frozen::default().permissions(&tenancy()), all);
}

#[test]
fn a_note_reads_back_and_an_unknown_one_is_refused() {
    let noted = frozen(&["events/", "pods/"]);
    let note = noted.note().unwrap();
    assert_eq!(Frozen::parse(Some(note.as_bytes())), Ok(noted));
    assert_eq!(Frozen::default().note(), None);
    assert_eq!(Frozen::parse(None), Ok(Frozen::default()));
    let many: Vec<String> = (0..=PARTS).map(|n| format!("r{n}/ one\n")).collect();
    let many = many.concat();
    for note in [
        &b"\xff"[..],
        b"events/",
        b"../ one",
        b"events one",
        many.as_bytes(),
    ] {
        assert_eq!(Frozen::parse(Some(note)), Err(Unreadable));
    }
}

#[test]
fn a_part_is_thawed_by_its_own_fence_or_without_one() {
    let noted = frozen(&["events/", "pods/"]);
    let events = part(&["events/"]);
    assert_eq!(
        noted.without(&events, Some("two")),
        Err(Refused::Other("one".to_owned()))
    );
    assert_eq!(noted.without(&events, Some("one")), Ok(frozen(&["pods/"])));
    assert_eq!(noted.without(&events, None), Ok(frozen(&["pods/"])));
    assert_eq!(
        noted.with(&events, "two"),
        Err(Refused::Other("one".to_owned()))
    );
    assert_eq!(noted.with(&events, "one"), Ok(noted.clone()));
    let many: Vec<String> = (0..60).map(|n| format!("r{n}/")).collect();
    let full = [
        &many[..],
        &["x/".to_owned(), "y/".to_owned(), "z/".to_owned()],
    ]
    .concat();
    let first: Vec<&str> = full.iter().map(String::as_str).collect();
    let mut noted = frozen(&first);
    let others: Vec<String> = (0..64).map(|n| format!("s{n}/")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    noted = noted.with(&part(&others), "two").unwrap();
    assert!(noted.with(&part(&["t/"]), "two").is_ok());
    assert_eq!(noted.with(&part(&["t/", "u/"]), "two"), Err(Refused::Full));
}
