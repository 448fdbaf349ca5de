use super::super::observed::Records;
use super::*;

fn tenancy() -> Tenancy {
    Tenancy::parse(
        crate::Driver::Etcd,
        "cp-a",
        "user-a",
        kamaji_api::owner::Owner::default(),
    )
    .unwrap()
}

fn own() -> (Access, Range) {
    (Access::Full, Range::of(&tenancy().schema))
}

fn range(start: &[u8], end: &[u8]) -> Range {
    Range {
        start: start.to_vec(),
        end: end.to_vec(),
    }
}

fn healthy() -> Observed {
    Observed {
        role: Some(vec![own()]),
        user: Some(vec!["cp-a".to_owned()]),
        records: Records::default(),
    }
}

#[test]
fn the_range_of_a_schema_ends_before_every_other_schema() {
    let own = Range::of(&tenancy().schema);
    assert_eq!(own, range(b"/cp-a/", b"/cp-a0"));
    for neighbour in ["cp-aa", "cp-", "cp", "cp-a0", "cp-a.", "cp-b"] {
        let key = format!("/{neighbour}/x").into_bytes();
        assert!(key < own.start || key >= own.end, "{neighbour}");
    }
}

#[test]
fn a_complete_tenant_needs_no_writes() {
    assert_eq!(healthy().repairs(&tenancy()).unwrap(), []);
}

#[test]
fn a_new_tenant_gets_role_range_user_and_binding() {
    let writes = Observed::default().repairs(&tenancy()).unwrap();
    assert_eq!(
        writes,
        [
            Write::CreateRole,
            Write::GrantOwnRange(Access::Full),
            Write::CreateUser,
            Write::Bind
        ]
    );
}

#[test]
fn own_access_is_granted_before_foreign_access_is_revoked() {
    let wide = range(b"/cp-a", b"/cp-b");
    let observed = Observed {
        role: Some(vec![(Access::Full, wide.clone())]),
        user: Some(vec!["cp-b".to_owned()]),
        records: Records::default(),
    };
    assert_eq!(
        observed.repairs(&tenancy()).unwrap(),
        [
            Write::GrantOwnRange(Access::Full),
            Write::RevokeRange(wide),
            Write::Bind,
            Write::Unbind("cp-b".to_owned())
        ]
    );
}

#[test]
fn a_read_only_own_range_is_granted_again_and_not_revoked() {
    let observed = Observed {
        role: Some(vec![(Access::Read, own().1)]),
        ..healthy()
    };
    assert_eq!(
        observed.repairs(&tenancy()).unwrap(),
        [Write::GrantOwnRange(Access::Full)]
    );
}

#[test]
fn a_fenced_tenant_keeps_the_right_to_read_alone() {
    let fenced = Tenancy {
        access: crate::Access::ReadOnly,
        ..tenancy()
    };
    let grant = Write::GrantOwnRange(Access::Read);
    assert_eq!(
        healthy().repairs(&fenced).unwrap(),
        std::slice::from_ref(&grant)
    );
    let read_only = Observed {
        role: Some(vec![(Access::Read, own().1)]),
        ..healthy()
    };
    assert_eq!(read_only.repairs(&fenced).unwrap(), []);
    let write_only = Observed {
        role: Some(vec![(Access::Write, own().1)]),
        ..healthy()
    };
    assert_eq!(write_only.repairs(&fenced).unwrap(), [grant]);
}

#[test]
fn an_administrator_is_refused_as_a_tenants_user() {
    let roles = vec!["cp-a".to_owned(), "root".to_owned()];
    assert_eq!(
        Observed {
            user: Some(roles),
            ..healthy()
        }
        .refuse_administrator(),
        Err(IsAdministrator)
    );
    assert_eq!(healthy().refuse_administrator(), Ok(()));
    assert_eq!(Observed::default().refuse_administrator(), Ok(()));
}
