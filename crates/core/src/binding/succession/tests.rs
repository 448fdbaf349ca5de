use serde_json::json;

use super::*;
use crate::{
    binding::bind,
    plan::fixture::{snapshot, store},
    tenant::Tenant,
};

fn binding() -> Binding {
    let fixture = snapshot(json!({}));
    let tenant = Tenant::parse(&fixture.object).unwrap();
    let binding = bind(&tenant, &store(), None, &fixture).unwrap();
    assert!(!binding.recorded && binding.adopts.is_none());
    binding
}

fn old() -> Owner {
    Owner {
        tenant: "before the restore".to_owned(),
        ..binding().owner
    }
}

fn restored() -> Binding {
    Binding {
        recorded: true,
        ..binding()
    }
}

fn named() -> Binding {
    Binding {
        adopts: Some(old().tenant),
        ..binding()
    }
}

#[test]
fn a_restored_namesake_with_the_same_setup_succeeds_and_so_does_one_that_names_the_old_uid() {
    assert!(succeeds(&restored(), &store(), &old(), false));
    assert!(succeeds(&named(), &store(), &old(), false));
    assert!(!succeeds(&binding(), &store(), &old(), false));
}

#[test]
fn a_tenant_of_another_name_succeeds_by_its_word_alone_and_only_once_the_old_one_is_gone() {
    let old = Owner {
        name: "another".to_owned(),
        ..old()
    };
    assert!(!succeeds(&restored(), &store(), &old, false));
    assert!(succeeds(&named(), &store(), &old, false));
    assert!(!succeeds(&named(), &store(), &old, true));
}

#[test]
fn nobody_succeeds_a_tenant_of_another_namespace() {
    let old = Owner {
        namespace: "elsewhere".to_owned(),
        ..old()
    };
    for binding in [restored(), named()] {
        assert!(!succeeds(&binding, &store(), &old, false));
    }
}

#[test]
fn another_management_cluster_is_succeeded_only_if_the_data_store_says_that_it_is_given_up() {
    let old = Owner {
        cluster: "lost".to_owned(),
        ..old()
    };
    let mut store = store();
    assert!(!succeeds(&restored(), &store, &old, false));
    assert!(!succeeds(&named(), &store, &old, false));
    store.adopted_clusters = vec!["lost".to_owned()];
    assert!(succeeds(&restored(), &store, &old, false));
}
