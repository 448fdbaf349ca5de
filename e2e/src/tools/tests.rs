use super::*;

#[test]
fn every_tool_is_pinned_by_its_go_module() {
    let seldom = [
        &PREVIOUS,
        &CLUSTER_API,
        &CONFORMANCE,
        &OPENTOFU,
        &PROVIDER_HELM,
        &PROVIDER_KUBERNETES,
        &VELERO,
        &VELERO_PLUGIN,
    ];
    for tool in ALL.into_iter().chain(seldom) {
        assert!(tool.version().unwrap().starts_with('v'), "{}", tool.dir);
    }
}

#[test]
fn a_cache_folder_is_named_after_the_tool_and_its_lock_files() {
    let dir = ETCD.cache().unwrap();
    let name = dir.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(name.len(), "etcd-".len() + 16);
    assert_ne!(ETCD.cache().unwrap(), COREDNS.cache().unwrap());
}

#[test]
fn kubernetes_binaries_are_linked_with_their_version() {
    let flags = KUBERNETES.linker_flags().unwrap();
    assert!(flags.contains(&format!("gitVersion={}", kubernetes_version().unwrap())));
    assert!(flags.contains("gitMajor=1 "));
}

#[test]
fn the_previous_version_is_of_the_minor_before() {
    let minor = |version: String| -> u32 { version.split('.').nth(1).unwrap().parse().unwrap() };
    let (now, before) = (kubernetes_version().unwrap(), previous_version().unwrap());
    assert_eq!(minor(now), minor(before.clone()) + 1);
    assert!(PREVIOUS.linker_flags().unwrap().contains(&before));
}

#[test]
fn the_tools_of_etcd_have_the_version_of_the_server() {
    for tool in [&ETCDUTL, &ETCDCTL] {
        assert_eq!(tool.version().unwrap(), etcd_version().unwrap());
    }
}

#[test]
fn of_two_binaries_of_one_name_the_first_is_found() {
    let tools = Tools {
        paths: vec![
            ("kubelet", "/before/kubelet".into()),
            ("kubectl", "/now/kubectl".into()),
            ("kubelet", "/now/kubelet".into()),
        ],
    };
    assert_eq!(tools.path("kubelet").unwrap(), Path::new("/before/kubelet"));
    assert!(tools.search_path().starts_with("/before:/now:"));
}

#[test]
fn the_demo_tenant_has_the_version_that_the_testbed_has_images_of() {
    let demo = crate::layout::manifest("demo.yaml").unwrap();
    let version = format!("version: {}\n", kubernetes_version().unwrap());
    assert!(demo.contains(&version), "{demo}");
}

#[test]
fn the_operator_runs_the_kine_that_the_testbed_pins_by_default() {
    let image = kamaji_core::settings::KINE_IMAGE;
    let (_, tag) = image.rsplit_once(':').unwrap();
    assert_eq!(tag, kine_version().unwrap());
    assert!(
        KINE.linker_flags()
            .unwrap()
            .ends_with(&format!("pkg/version.Version={tag}"))
    );
}

#[test]
fn the_conformance_specs_are_those_of_the_version_that_tenants_run() {
    assert_eq!(
        CONFORMANCE.version().unwrap(),
        kubernetes_version().unwrap()
    );
}

#[tokio::test]
async fn providers_have_the_versions_of_their_changelogs() {
    for (tool, (name, version)) in [&PROVIDER_HELM, &PROVIDER_KUBERNETES]
        .into_iter()
        .zip(PROVIDERS)
    {
        assert!(tool.dir.ends_with(name));
        // The sources are in the module cache only where the provider has been built.
        let Ok(sources) = tool.sources().await else {
            continue;
        };
        let Ok(log) = fs::read_to_string(sources.join("CHANGELOG.md")) else {
            continue;
        };
        assert!(log.starts_with(&format!("## {version} ")), "{name}");
    }
}
