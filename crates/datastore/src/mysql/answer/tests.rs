use super::*;

fn answered(code: u16, message: &str) -> Error {
    let error = ClientError::Server(ServerError {
        code,
        message: message.to_owned(),
        state: "HY000".to_owned(),
    });
    let endpoint = "10.0.0.1:3306".parse().unwrap();
    let site = Site {
        store: "MySQL 10.0.0.1:3306".to_owned(),
        doing: "testing".to_owned(),
    };
    Failure::of(&endpoint, &error).into_error(site)
}

#[test]
fn a_full_disk_is_unsuitable_whichever_number_tells_of_it() {
    for (code, message) in [
        (
            1021,
            "Disk full (/tmp); waiting for someone to free some space",
        ),
        (1114, "The table 'kine' is full"),
        (
            3,
            "Error writing file '/x' (Errcode: 28 \"No space left on device\")",
        ),
        (
            1026,
            "Error writing file 'x' (errno: 28 \"No space left on device\")",
        ),
    ] {
        let error = answered(code, message);
        assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
        assert!(error.to_string().contains("free space"), "{error}");
    }
}

#[test]
fn a_server_that_serves_again_by_itself_is_unreachable() {
    for (code, message) in [
        (1040, "Too many connections"),
        (1047, "WSREP has not yet prepared node for application use"),
        (
            1205,
            "Lock wait timeout exceeded; try restarting transaction",
        ),
    ] {
        let error = answered(code, message);
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[test]
fn a_password_policy_and_a_name_that_is_too_long_are_told_with_what_to_change() {
    let policy = answered(
        1819,
        "Your password does not satisfy the current policy requirements",
    );
    assert!(
        policy.to_string().contains("password policy take"),
        "{policy}"
    );
    let name = answered(1059, "Identifier name 'x' is too long");
    assert!(name.is_refusal(), "{name}");
}

#[test]
fn what_an_administrator_must_correct_wins_over_what_may_pass() {
    let unreachable = || Failure::Unreachable("a".to_owned());
    let unsuitable = || Failure::Unsuitable {
        cause: "b".to_owned(),
        remedy: UPGRADE,
    };
    let refused = || Failure::TlsRefused("c".to_owned());
    let all = vec![unreachable(), unsuitable(), refused()];
    assert_eq!(Failure::combine(all), refused());
    assert_eq!(
        Failure::combine(vec![unreachable(), unsuitable()]),
        unsuitable()
    );
    let two = Failure::combine(vec![unreachable(), unreachable()]);
    assert_eq!(two, Failure::Unreachable("a; a".to_owned()));
}
