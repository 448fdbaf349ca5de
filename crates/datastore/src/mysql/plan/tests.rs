use kamaji_api::datastore::Driver;

use super::super::sql::PRIVILEGES;
use super::*;
use crate::tenancy::{Access, Schema};

fn own() -> Pattern {
    Pattern::of(&Schema::parse(Driver::MySql, "cp_a").unwrap(), false)
}

fn privilege(extent: Extent, name: &str) -> Privilege {
    Privilege {
        extent,
        name: name.to_owned(),
        grantable: false,
    }
}

fn complete() -> Observed {
    let of_own = |name: &&str| privilege(Extent::Schema(r"cp\_a".to_owned()), name);
    Observed {
        database: true,
        verifier: Some(Vec::new()),
        privileges: PRIVILEGES.iter().map(of_own).collect(),
        ..Observed::default()
    }
}

#[test]
fn a_complete_tenant_needs_no_write_and_a_new_one_every() {
    assert_eq!(complete().repairs(&own(), true, Access::ReadWrite), []);
    assert_eq!(
        complete().repairs(&own(), false, Access::ReadWrite),
        [Write::SetPassword]
    );
    let new = Observed::default().repairs(&own(), false, Access::ReadWrite);
    assert_eq!(
        new,
        [Write::CreateDatabase, Write::CreateUser, Write::Grant]
    );
}

#[test]
fn a_missing_privilege_is_granted_without_revoking_any() {
    let mut observed = complete();
    observed.privileges.pop();
    assert_eq!(
        observed.repairs(&own(), true, Access::ReadWrite),
        [Write::Grant]
    );
}

#[test]
fn every_privilege_beyond_the_tenants_own_is_revoked_before_its_own_are_granted_again() {
    let pattern = || Extent::Schema(r"cp\_a".to_owned());
    for (foreign, words) in [
        (privilege(Extent::Global, "SELECT"), "SELECT on *.*"),
        (
            privilege(Extent::Schema("cp_a".to_owned()), "SELECT"),
            "SELECT on cp_a.*",
        ),
        (
            privilege(Extent::Part("mysql.user".to_owned()), "SELECT"),
            "SELECT on mysql.user",
        ),
        (privilege(pattern(), "DROP"), r"DROP on cp\_a.*"),
    ] {
        let mut observed = complete();
        observed.privileges.push(foreign);
        let writes = observed.repairs(&own(), true, Access::ReadWrite);
        let revoke = Write::RevokeEverything(vec![words.to_owned()]);
        assert_eq!(writes, [revoke, Write::Grant]);
    }
    let mut observed = complete();
    observed.privileges[0].grantable = true;
    let writes = observed.repairs(&own(), true, Access::ReadWrite);
    assert_eq!(
        writes[0],
        Write::RevokeEverything(vec![r"SELECT on cp\_a.* with grant option".to_owned()])
    );
}

#[test]
fn a_role_is_revoked_and_nothing_else() {
    let mut observed = complete();
    observed.roles.push(("wide".to_owned(), String::new()));
    let revoke = Write::RevokeRole("wide".to_owned(), String::new());
    assert_eq!(observed.repairs(&own(), true, Access::ReadWrite), [revoke]);
}

#[test]
fn a_fenced_tenant_keeps_the_right_to_read_and_the_fence_is_lifted_by_a_grant() {
    let repairs = |observed: &Observed, access| observed.repairs(&own(), true, access);
    let mut observed = complete();
    assert_eq!(repairs(&observed, Access::ReadOnly), [Write::RevokeWrites]);
    observed.privileges.retain(|own| own.name == "SELECT");
    assert_eq!(repairs(&observed, Access::ReadOnly), []);
    assert_eq!(repairs(&observed, Access::ReadWrite), [Write::Grant]);
    let with_log_in = observed.repairs(&own(), false, Access::ReadWrite);
    assert_eq!(with_log_in, [Write::Grant, Write::SetPassword]);
    observed.privileges.clear();
    assert_eq!(repairs(&observed, Access::ReadOnly), [Write::Grant]);
}
