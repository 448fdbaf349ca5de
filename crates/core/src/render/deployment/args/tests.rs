use super::*;

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

#[test]
fn the_name_of_a_flag_ends_at_the_first_equals_sign() {
    for (arg, expected) in [
        ("--a=b=c", "--a"),
        ("--a", "--a"),
        ("--a=", "--a"),
        ("", ""),
        ("--", "--"),
        ("a_b=c", "a_b"),
    ] {
        assert_eq!(name(arg), expected);
    }
}

#[test]
fn every_spelling_of_a_flag_has_one_name() {
    for arg in [
        "--etcd-prefix=/a_b",
        "--etcd_prefix=/a_b",
        "-etcd_prefix",
        "---etcd-prefix=x",
    ] {
        assert_eq!(name(arg), "--etcd-prefix", "{arg}");
    }
}

#[test]
fn another_spelling_does_not_stand_beside_the_flag_that_wins() {
    let user = owned(&["--leader_elect=false", "--my_own=1", "-v=2"]);
    let ours = owned(&["--leader-elect=true"]);
    assert_eq!(
        merged([user.as_slice(), &ours]),
        owned(&["--leader-elect=true", "--my_own=1", "-v=2"])
    );
}

#[test]
fn later_layers_win_and_the_result_is_sorted_as_whole_text() {
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&["--b=1", "--a=1"], &[], &["--a=1", "--b=1"]),
        (&["--a=1"], &["--a=2"], &["--a=2"]),
        (
            &["--a=1", "--b=1"],
            &["--c", "--b=2", "--b=3"],
            &["--a=1", "--b=3", "--c"],
        ),
        (&["--etcd=1"], &["--etcd-x=1"], &["--etcd-x=1", "--etcd=1"]),
        (&[], &["--empty="], &["--empty="]),
    ];
    for (below, above, expected) in cases {
        assert_eq!(
            merged([owned(below).as_slice(), &owned(above)]),
            owned(expected)
        );
    }
}
