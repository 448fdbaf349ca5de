use super::super::fixture::{complete, tenancy};
use super::super::observed::Role;
use super::*;

#[test]
fn a_complete_tenant_needs_no_write() {
    assert_eq!(complete().repairs(&tenancy()), []);
}

#[test]
fn a_new_database_takes_connections_only_after_public_is_kept_out() {
    let new = Observed {
        superuser: true,
        ..Observed::default()
    };
    let database = [
        DatabaseWrite::Create,
        DatabaseWrite::Close(false),
        DatabaseWrite::Open,
        DatabaseWrite::Give,
    ]
    .map(Write::Database);
    let expected = [&[Write::CreateRole], &database[..]].concat();
    assert_eq!(new.repairs(&tenancy()), expected);
    // An administrator who is no superuser has to be a member before it can give the database away.
    let managed = Observed::default();
    let expected = [
        &[Write::CreateRole, Write::Role(RoleWrite::Join)],
        &database[..],
    ]
    .concat();
    assert_eq!(managed.repairs(&tenancy()), expected);
}

#[test]
fn every_lack_and_every_excess_of_a_role_is_mended() {
    let mut observed = complete();
    let membership = Membership {
        role: "b".to_owned(),
        grantor: "postgres".to_owned(),
    };
    observed.role = Some(Role {
        powers: vec![Power::Replicate],
        memberships: vec![membership.clone()],
        granted: vec!["cp-b".to_owned()],
        ..Role::default()
    });
    assert_eq!(
        observed.repairs(&tenancy()),
        [
            RoleWrite::Join,
            RoleWrite::AllowLogin,
            RoleWrite::TakePower(Power::Replicate),
            RoleWrite::EndMembership(membership),
            RoleWrite::Withdraw("cp-b".to_owned()),
        ]
        .map(Write::Role)
    );
}

#[test]
fn a_database_that_everybody_may_enter_is_closed_and_told_of_if_it_was_open() {
    let mut observed = complete();
    let database = observed.database.as_mut().unwrap();
    database.public = true;
    assert_eq!(
        observed.repairs(&tenancy()),
        [Write::Database(DatabaseWrite::Close(true))]
    );
    let database = observed.database.as_mut().unwrap();
    (database.open, database.granted) = (false, false);
    database.owner = "postgres".to_owned();
    assert_eq!(
        observed.repairs(&tenancy()),
        [
            DatabaseWrite::Close(false),
            DatabaseWrite::Open,
            DatabaseWrite::Give,
            DatabaseWrite::Grant,
        ]
        .map(Write::Database)
    );
}
