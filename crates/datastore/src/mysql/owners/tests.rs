use kamaji_api::{datastore::Driver, owner::Owner};

use super::*;
use crate::mysql::observed::{Privilege, Records};

fn tenancy() -> Tenancy {
    let owner = Owner {
        cluster: "c".to_owned(),
        tenant: "11111111-2222-3333-4444-555555555555".to_owned(),
        ..Owner::default()
    };
    Tenancy::parse(Driver::MySql, "cp_a", "user", owner).unwrap()
}

fn own() -> Pattern {
    Pattern::of(&tenancy().schema, false)
}

fn there() -> Observed {
    Observed {
        database: true,
        verifier: Some(Vec::new()),
        ..Observed::default()
    }
}

fn granted(extent: Extent) -> Observed {
    Observed {
        privileges: vec![Privilege {
            extent,
            name: "SELECT".to_owned(),
            grantable: false,
        }],
        ..there()
    }
}

#[test]
fn what_is_there_without_a_record_is_the_recorded_tenants_or_its_uids_alone() {
    let (fresh, uid) = (tenancy(), tenancy().owner.tenant);
    assert_eq!(Observed::default().schema(&fresh), Ok(Standing::Free));
    assert_eq!(
        Observed::default().login(&fresh, &own()),
        Ok(Standing::Free)
    );
    assert!(there().schema(&fresh).is_err() && there().login(&fresh, &own()).is_err());
    let recorded = Tenancy {
        recorded: true,
        ..tenancy()
    };
    let names = [(&*uid, &*uid), (&*uid, &*uid.replace('-', ""))];
    let by_uid = names.map(|(schema, user)| {
        Tenancy::parse(Driver::MySql, schema, user, tenancy().owner).unwrap()
    });
    for tenancy in std::iter::once(recorded).chain(by_uid) {
        let own = Pattern::of(&tenancy.schema, false);
        assert_eq!(there().schema(&tenancy), Ok(Standing::Unrecorded));
        assert_eq!(there().login(&tenancy, &own), Ok(Standing::Unrecorded));
    }
}

#[test]
fn a_user_with_access_elsewhere_is_foreign_even_if_the_status_records_it() {
    let recorded = Tenancy {
        recorded: true,
        ..tenancy()
    };
    let with_role = Observed {
        roles: vec![("wide".to_owned(), String::new())],
        ..there()
    };
    let at_host = Observed {
        other_hosts: vec!["10.0.0.1".to_owned()],
        ..there()
    };
    for (observed, words) in [
        (granted(Extent::Global), "SELECT on *.*"),
        (
            granted(Extent::Schema("other".to_owned())),
            "SELECT on other.*",
        ),
        (with_role, "the role wide"),
        (at_host, "for the host 10.0.0.1"),
    ] {
        let denial = observed.login(&recorded, &own()).unwrap_err();
        assert!(
            matches!(&denial, Denial::Foreign(why) if why.contains(words)),
            "{denial:?}"
        );
    }
    for own_grant in [r"cp\_a", "cp_a"] {
        let observed = granted(Extent::Schema(own_grant.to_owned()));
        assert_eq!(observed.login(&recorded, &own()), Ok(Standing::Unrecorded));
    }
}

#[test]
fn the_record_decides_before_anything_that_is_there() {
    let record = tenancy().owner.record();
    let observed = Observed {
        records: Records {
            schema: Some(record.clone()),
            user: Some(record),
        },
        ..granted(Extent::Global)
    };
    assert_eq!(observed.schema(&tenancy()), Ok(Standing::Own));
    assert_eq!(observed.login(&tenancy(), &own()), Ok(Standing::Own));
    let other = Tenancy {
        owner: Owner::default(),
        recorded: true,
        ..tenancy()
    };
    assert!(matches!(observed.schema(&other), Err(Denial::Owned(_))));
}

#[test]
fn a_grant_to_everybody_exposes_the_schemas_that_its_pattern_covers() {
    let observed = Observed {
        everybodys: vec![r"test\_%".to_owned(), "cp_%".to_owned()],
        ..there()
    };
    assert_eq!(observed.exposure(&tenancy()), Some("cp_%"));
    let other = Observed {
        everybodys: vec![r"test\_%".to_owned()],
        ..there()
    };
    assert_eq!(other.exposure(&tenancy()), None);
}
