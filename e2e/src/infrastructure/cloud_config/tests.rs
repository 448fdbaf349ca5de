use super::*;

const DATA: &str = "## template: jinja
#cloud-config

write_files:
-   path: /run/kubeadm/join.yaml
    owner: root:root
    permissions: '0640'
    content: |
      name: '{{ ds.meta_data.local_hostname }}'
-   path: /run/placeholder
    content: \"x\"
runcmd:
  - kubeadm join --config /run/kubeadm/join.yaml && echo success > /run/done
";

fn known() -> BTreeMap<&'static str, String> {
    BTreeMap::from([("local_hostname", "worker8".to_owned())])
}

#[test]
fn a_cloud_config_gives_files_and_commands() {
    let config = parse(DATA, &known()).unwrap();
    assert_eq!(config.write_files[0].permissions, "0640");
    assert_eq!(config.write_files[0].content, "name: 'worker8'\n");
    assert_eq!(config.write_files[1].permissions, "0644");
    assert!(config.commands[0].ends_with("&& echo success > /run/done"));
}

#[test]
fn unknown_variables_and_other_formats_are_refused() {
    let error = parse(DATA, &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("local_hostname"), "{error}");
    let error = parse("{\"ignition\": {}}", &known()).unwrap_err();
    assert!(error.to_string().contains("no cloud-config"), "{error}");
}
