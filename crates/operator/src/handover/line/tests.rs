use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn line() -> Line {
    let measured = Measured {
        counts: Counts {
            certificates: Certificates {
                valid: 6,
                expiring: 1,
                invalid: 0,
            },
            kubeconfigs: Certificates {
                valid: 5,
                expiring: 0,
                invalid: 2,
            },
        },
        expiries: vec![Expiry {
            purpose: Purpose::FrontProxyCa,
            ends: now() + Duration::from_hours(24),
            notice: now() + Duration::from_hours(2),
        }],
    };
    Line::due_after(Duration::from_mins(5), now(), measured)
}

fn lines(count: usize) -> BTreeMap<Digest, Line> {
    (0..count).map(|n| (format!("{n:032x}"), line())).collect()
}

#[test]
fn lines_are_read_as_they_were_written() {
    let read = parse(&text(&lines(3), 10_000), 10_000);
    assert_eq!(read, lines(3).into_iter().collect());
}

#[test]
fn lines_beyond_the_limit_are_left_out_whole() {
    let whole = text(&lines(1), 10_000).len();
    let cut = text(&lines(5), whole * 2 + whole / 2);
    assert_eq!(cut.len(), whole * 2);
    assert_eq!(parse(&cut, whole * 3).len(), 2);
}

#[test]
fn five_thousand_tenants_fit_a_secret() {
    let text = text(&lines(5000), super::super::MOST);
    assert_eq!(
        parse(&text, super::super::MOST).len(),
        5000,
        "{} bytes",
        text.len()
    );
}

#[test]
fn damaged_lines_are_left_out_and_others_kept() {
    let digest = "a".repeat(DIGITS);
    let whole = format!("{digest} [1,[1,2,3,4,5,6],[[0,1,1],[3,1,1]]]\n");
    assert_eq!(parse(whole.as_bytes(), 10_000).len(), 1);
    for damaged in [
        "abc",
        "abc [1,[1,2,3,4,5,6],[]]",
        &digest,
        &format!("{digest} {{}}"),
        &whole[..whole.len() / 2],
        &format!("{digest} [1,[1,2,3,4,5,-6],[]]"),
        &format!("{digest} [1,[1,2,3,4,5,6],[[9,1,1]]]"),
        &format!("{digest} [1,[1,2,3,4,5,6],[[0,1,1],[0,1,1]]]"),
        &format!("{digest} [99999999999999,[1,2,3,4,5,6],[]]"),
        "\u{0}",
    ] {
        let mut text = text(&lines(1), 10_000);
        text.extend(damaged.as_bytes());
        text.extend(b"\n\xff\n");
        assert_eq!(
            parse(&text, 10_000),
            lines(1).into_iter().collect(),
            "{damaged}"
        );
    }
}

#[test]
fn a_text_that_is_too_long_has_no_lines() {
    let text = text(&lines(2), 10_000);
    assert_eq!(parse(&text, text.len()).len(), 2);
    assert!(parse(&text, text.len() - 1).is_empty());
}

#[test]
fn a_line_is_due_when_its_time_has_passed() {
    let line = line();
    assert_eq!(line.left(now()), Duration::from_mins(5));
    assert_eq!(line.left(now() + Duration::from_mins(6)), Duration::ZERO);
}

#[test]
fn digests_differ_by_each_part_and_its_boundaries() {
    let of = |parts: &[&str]| {
        let mut digest = DigestBuilder::default();
        for part in parts {
            digest.add(part.as_bytes());
        }
        digest.finish().unwrap()
    };
    assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
    assert_ne!(of(&["a"]), of(&["a", ""]));
}

#[test]
fn an_object_of_unknown_version_has_no_digest() {
    let of = |uid: &str, revision| {
        let mut digest = DigestBuilder::default();
        digest.add_version(&Version {
            uid: uid.into(),
            revision,
        });
        digest.finish()
    };
    assert!(of("u", 1).is_some());
    assert_ne!(of("u", 1), of("u", 2));
    assert_ne!(of("u", 1), of("v", 1));
    assert_eq!((of("u", 0), of("", 1)), (None, None));
}
