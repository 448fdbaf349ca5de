use super::super::observed::Access;
use super::*;
use kamaji_api::owner::Owner;

fn owner(tenant: &str) -> Owner {
    Owner {
        cluster: "cluster".to_owned(),
        tenant: tenant.to_owned(),
        namespace: "tenants".to_owned(),
        name: "a".to_owned(),
    }
}

fn tenancy(recorded: bool) -> Tenancy {
    Tenancy {
        recorded,
        ..Tenancy::parse(crate::Driver::Etcd, "cp-a", "user-a", owner("uid-a")).unwrap()
    }
}

/// State that an older build leaves: role and user without records.
fn unrecorded() -> Observed {
    let own = Range::of(&tenancy(true).schema);
    Observed {
        role: Some(vec![(Access::Full, own)]),
        user: Some(vec!["cp-a".to_owned()]),
        records: Records {
            keys: true,
            ..Records::default()
        },
    }
}

fn standings(observed: &Observed, tenancy: &Tenancy) -> [Result<Standing, Denial>; 2] {
    [observed.schema(tenancy), observed.login(tenancy)]
}

fn is_foreign(standing: &Result<Standing, Denial>) -> bool {
    matches!(standing, Err(Denial::Foreign(_)))
}

#[test]
fn unused_names_are_free_and_recorded_names_belong_to_their_owner() {
    let mut observed = Observed::default();
    let free = [Ok(Standing::Free), Ok(Standing::Free)];
    assert_eq!(standings(&observed, &tenancy(false)), free);
    observed = unrecorded();
    observed.records.schema = Some(owner("uid-a").record());
    observed.records.user = Some(owner("uid-a").record());
    let own = [Ok(Standing::Own), Ok(Standing::Own)];
    assert_eq!(standings(&observed, &tenancy(false)), own);
}

#[test]
fn names_of_another_tenant_or_management_cluster_are_denied_also_to_recorded_tenants() {
    for other in [
        owner("uid-b"),
        Owner {
            cluster: "elsewhere".to_owned(),
            ..owner("uid-a")
        },
    ] {
        let mut observed = unrecorded();
        observed.records.schema = Some(other.record());
        observed.records.user = Some(other.record());
        let owned = || Err(Denial::Owned(Box::new(other.clone())));
        assert_eq!(standings(&observed, &tenancy(true)), [owned(), owned()]);
        let heir = Tenancy {
            succeeds: Some(other.clone()),
            ..tenancy(false)
        };
        let inherited = [Ok(Standing::Inherited), Ok(Standing::Inherited)];
        assert_eq!(standings(&observed, &heir), inherited);
    }
}

#[test]
fn unrecorded_names_of_an_older_build_are_taken_over_only_by_the_recorded_tenant() {
    let observed = unrecorded();
    let taken = [Ok(Standing::Unrecorded), Ok(Standing::Unrecorded)];
    assert_eq!(standings(&observed, &tenancy(true)), taken);
    assert!(standings(&observed, &tenancy(false)).iter().all(is_foreign));
    // A name that is the tenant's uid is unique to the tenant.
    let named = Tenancy::parse(crate::Driver::Etcd, "cp-a", "user-a", owner("cp-a")).unwrap();
    assert_eq!(observed.schema(&named), Ok(Standing::Unrecorded));
}

#[test]
fn names_with_access_of_another_application_are_not_taken_over_even_if_recorded() {
    let mut wide = unrecorded();
    let range = Range {
        start: b"/".to_vec(),
        end: b"0".to_vec(),
    };
    wide.role.as_mut().unwrap().push((Access::Full, range));
    assert!(is_foreign(&wide.schema(&tenancy(true))));
    let mut shared = unrecorded();
    shared.user.as_mut().unwrap().push("backup".to_owned());
    assert!(is_foreign(&shared.login(&tenancy(true))));
    let mut bare = Observed::default();
    bare.records.keys = true;
    assert!(is_foreign(&bare.schema(&tenancy(true))));
}

#[test]
fn names_with_an_unreadable_record_are_not_taken_over() {
    let mut observed = unrecorded();
    observed.records.schema = Some(b"garbage".to_vec());
    observed.records.user = Some(br#"{"version":9}"#.to_vec());
    assert!(standings(&observed, &tenancy(true)).iter().all(is_foreign));
}
