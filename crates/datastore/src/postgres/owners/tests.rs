use super::super::fixture::{complete, tenancy};
use super::super::observed::{Membership, Role};
use super::super::sql::Power;
use super::*;

fn recorded_in_status() -> Tenancy {
    Tenancy {
        recorded: true,
        ..tenancy()
    }
}

/// Database as upstream leaves it: a database that the role owns and everybody may enter, no records.
fn upstream() -> Observed {
    let mut observed = complete();
    observed.database.as_mut().unwrap().public = true;
    observed
}

#[track_caller]
fn assert_foreign(result: Result<Standing, Denial>, words: &str) {
    match result {
        Err(Denial::Foreign(reason)) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_installation_of_upstream_is_adopted_by_the_recorded_tenant_alone() {
    let (observed, recorded) = (upstream(), recorded_in_status());
    assert_eq!(observed.schema(&recorded), Ok(Standing::Unrecorded));
    assert_eq!(observed.login(&recorded), Ok(Standing::Unrecorded));
    assert_foreign(observed.schema(&tenancy()), "no record says whose it is");
    assert_foreign(observed.login(&tenancy()), "no record says whose it is");
}

#[test]
fn a_database_of_another_role_is_foreign_even_if_it_is_recorded() {
    let mut observed = upstream();
    observed.schema_record = Some(String::from_utf8(tenancy().owner.record()).unwrap());
    assert_eq!(observed.schema(&tenancy()), Ok(Standing::Own));
    let database = observed.database.as_mut().unwrap();
    database.owner = "shop".to_owned();
    assert_foreign(
        observed.schema(&recorded_in_status()),
        "is owned by the role shop",
    );
    observed.database.as_mut().unwrap().owned_by_administrator = true;
    assert_eq!(observed.schema(&tenancy()), Ok(Standing::Own));
}

#[test]
fn a_role_with_more_than_a_tenant_needs_is_not_adopted() {
    let changed = |change: fn(&mut Role)| {
        let mut observed = upstream();
        change(observed.role.as_mut().unwrap());
        observed.login(&recorded_in_status())
    };
    assert_foreign(
        changed(|role| role.powers.push(Power::CreateRoles)),
        "has CREATEROLE",
    );
    assert_foreign(
        changed(|role| role.owned.push("shop".to_owned())),
        "owns the database shop",
    );
    assert_foreign(
        changed(|role| {
            role.memberships.push(Membership {
                role: "staff".to_owned(),
                grantor: "postgres".to_owned(),
            });
        }),
        "is a member of the role staff",
    );
}

#[test]
fn a_superuser_is_no_tenants_role() {
    let mut observed = upstream();
    assert_eq!(observed.refuse_administrator(), Ok(()));
    observed.role.as_mut().unwrap().superuser = true;
    assert_eq!(observed.refuse_administrator(), Err(IsAdministrator));
}

#[test]
fn unused_names_are_free_and_a_record_that_cannot_be_read_is_not() {
    let mut observed = Observed::default();
    assert!(observed.is_empty());
    assert_eq!(observed.schema(&tenancy()), Ok(Standing::Free));
    assert_eq!(observed.login(&tenancy()), Ok(Standing::Free));
    observed.schema_record = Some("{}".to_owned());
    assert!(!observed.is_empty());
    assert_foreign(observed.schema(&recorded_in_status()), "cannot be used");
}
