use super::*;

#[test]
fn every_tool_is_pinned_by_its_go_module() {
    for tool in ALL {
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
fn the_kubernetes_binaries_are_told_their_version() {
    let flags = KUBERNETES.linker_flags().unwrap();
    assert!(flags.contains(&format!("gitVersion={}", kubernetes_version().unwrap())));
    assert!(flags.contains("gitMajor=1 "));
}
