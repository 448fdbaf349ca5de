use kamaji_api::datastore::Driver;
use proptest::prelude::*;

use super::*;

fn schema(name: &str) -> Schema {
    Schema::parse(Driver::MySql, name).unwrap()
}

#[test]
fn identifiers_and_literals_are_quoted_with_their_own_quotes_doubled() {
    assert_eq!(Ident("a`b'c").to_string(), "`a``b'c`");
    assert_eq!(Literal(r"a'b\c`").to_string(), r"'a''b\\c`'");
    let user = User::parse(Driver::MySql, "o'neil").unwrap();
    let create = Statement::create_user(Account::of(&user), r"\'");
    assert_eq!(
        create.as_str(),
        r"CREATE USER 'o''neil'@'%' IDENTIFIED BY '\\'''"
    );
}

#[test]
fn a_grants_pattern_escapes_wildcards_unless_the_server_takes_it_literally() {
    let name = schema(r"a_b%c\d");
    assert_eq!(Pattern::of(&name, false).as_str(), r"a\_b\%c\\d");
    assert_eq!(Pattern::of(&name, true).as_str(), r"a_b%c\d");
}

#[test]
fn a_pattern_covers_what_the_server_lets_it_cover() {
    for (pattern, name, yes) in [
        ("a_b", "axb", true),
        ("a_b", "ab", false),
        (r"a\_b", "axb", false),
        (r"a\_b", "a_b", true),
        ("%", "anything", true),
        ("test%", "test", true),
        ("test%x", "test-and-x", true),
        ("test%x", "test-and-y", false),
        (r"a\", r"a\", true),
        ("a", "A", false),
    ] {
        assert_eq!(covers(pattern, name), yes, "{pattern} {name}");
    }
    let many = "%".repeat(2000) + "x";
    assert!(!covers(&many, &"y".repeat(2000)));
}

proptest! {
    #[test]
    fn the_pattern_of_a_schema_covers_no_other(one in r"[a-b_%\\]{1,12}", other in r"[a-b_%\\]{1,12}") {
        let pattern = Pattern::of(&schema(&one), false);
        prop_assert_eq!(covers(pattern.as_str(), &other), one == other);
    }
}
