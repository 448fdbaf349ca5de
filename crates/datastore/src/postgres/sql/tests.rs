use proptest::prelude::*;

use super::*;

/// Reads a quoted identifier as PostgreSQL's scanner does; `None` if it is not one identifier to its end.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut name = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '"' && chars.next() != Some('"') {
            return None;
        }
        name.push(c);
    }
    Some(name)
}

proptest! {
    #[test]
    fn an_identifier_stays_one_identifier_whatever_is_in_it(name in "[^\0]{1,63}") {
        prop_assert_eq!(unquote(&Ident(&name).to_string()), Some(name));
    }

    #[test]
    fn a_statement_is_its_frame_around_quoted_names(one in "[^\0]{1,20}", other in "[^\0]{1,20}") {
        let statement = Statement::give_database(Ident(&one), Ident(&other));
        let rest = statement.as_str().strip_prefix("ALTER DATABASE ").unwrap();
        let (first, second) = (Ident(&one).to_string(), Ident(&other).to_string());
        prop_assert_eq!(rest, format!("{first} OWNER TO {second}"));
    }
}

#[test]
fn a_member_is_given_the_options_that_the_version_needs() {
    let (role, version) = (Ident("cp-a"), GRANT_OPTIONS);
    let join = |version| Statement::join(role, version).as_str().to_owned();
    assert_eq!(join(version - 1), "GRANT \"cp-a\" TO CURRENT_USER");
    assert_eq!(
        join(version),
        "GRANT \"cp-a\" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE"
    );
    let leave = |version| {
        let by = (Ident("x"), Ident("admin"));
        Statement::leave(role, by, version).as_str().to_owned()
    };
    assert_eq!(leave(version - 1), "REVOKE \"x\" FROM \"cp-a\"");
    assert_eq!(
        leave(version),
        "REVOKE \"x\" FROM \"cp-a\" GRANTED BY \"admin\""
    );
}
