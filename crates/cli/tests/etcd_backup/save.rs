//! Files of `kamaji etcd save`: retention, modes, encryption, and nothing of a save that is refused.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::store::{PASSWORD, Store, names, ok, refused};

/// Waits until a snapshot has another name.
fn next_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[tokio::test]
async fn a_folder_keeps_the_newest_snapshots_of_its_store_and_all_other_files() {
    let store = Store::start().await;
    let folder = store.path("backups");
    fs::create_dir(&folder).unwrap();
    let said = ok(&store.save("backups/", &["--keep=2"]));
    let first = names(&folder).remove(0);
    assert!(said.contains(&first) && said.contains("revision"), "{said}");
    let (beginning, _) = first.rsplit_once('-').unwrap();
    // Two that are older, one of another store, and one of a person.
    let older = ["20200101", "20210101"].map(|day| format!("{beginning}-{day}T000000Z.db.zst.age"));
    let others = ["kamaji-etcd-00000000-20200101T000000Z.db", "before-upgrade"];
    for name in older.iter().map(String::as_str).chain(others) {
        fs::write(folder.join(name), "").unwrap();
    }
    next_second();
    let said = ok(&store.save("backups/", &["--keep=2"]));
    let left = names(&folder);
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.contains(&first), "{left:?}");
    for name in &older {
        assert!(said.contains(&format!("{name} is removed")), "{said}");
    }
    let mode = fs::metadata(folder.join(&first)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    // An interrupted or refused save changes nothing.
    next_second();
    let said = refused(&store.save_from("https://127.0.0.1:1", "backups/", &["--keep=1"]));
    assert!(said.contains("127.0.0.1:1"), "{said}");
    assert_eq!(names(&folder), left);
}

#[tokio::test]
async fn a_snapshot_shows_no_secret_of_a_tenant_and_a_plain_one_is_etcds_own_form() {
    let store = Store::start().await;
    let secret = "secret-value-of-tenant-a";
    store
        .root()
        .await
        .put("/a/secret", secret, None)
        .await
        .unwrap();
    ok(&store.save("sealed", &[]));
    let contains = |name: &str| {
        let bytes = fs::read(store.path(name)).unwrap();
        bytes.windows(secret.len()).any(|w| w == secret.as_bytes())
    };
    assert!(!contains("sealed"));
    // Compressed before it is encrypted: an empty database is mostly free pages.
    assert!(fs::metadata(store.path("sealed")).unwrap().len() < 20_000);

    let credentials = format!("--credentials={}", store.path("root").display());
    let plain = store.path("plain.db").display().to_string();
    let url = store.url();
    let base = ["save", &plain, &credentials, "--endpoint", &url];
    let said = refused(&store.command(&base).output().unwrap());
    assert!(said.contains("--recipient age1"), "{said}");
    assert!(!store.path("plain.db").exists());
    ok(&store.command(&base).arg("--plain").output().unwrap());
    assert!(contains("plain.db"));
    let said = refused(&store.command(&base).arg("--plain").output().unwrap());
    assert!(said.contains("a file of this name exists"), "{said}");
    let said = ok(&store.command(&["verify", &plain]).output().unwrap());
    assert!(
        said.contains("is whole") && said.contains("it is not encrypted"),
        "{said}"
    );
    let key = store.path("backup.key").display().to_string();
    let by_key = ["verify", &plain, "--identity", &key];
    let said = refused(&store.command(&by_key).output().unwrap());
    assert!(said.contains("a key was given"), "{said}");
    // What nobody encrypted is opened if the person says so.
    let [to, data] = ["plain-opened.db", "no-data"].map(|name| store.path(name));
    fs::create_dir(&data).unwrap();
    let mut open = store.command(&["restore", &plain, "--plain"]);
    open.arg("--to").arg(&to).arg("--data-dir").arg(&data);
    ok(&open.output().unwrap());
    assert_eq!(
        fs::read(&to).unwrap(),
        fs::read(store.path("plain.db")).unwrap()
    );
    assert!(
        names(store.folder.path())
            .iter()
            .all(|name| !name.contains(".part"))
    );

    // A tenant may not take one.
    let mut tenant = store.tenant("a").await.unwrap();
    let taken = match tenant.snapshot().await {
        Ok(mut pieces) => pieces.message().await.map(drop),
        Err(error) => Err(error),
    };
    let said = taken.unwrap_err().to_string();
    assert!(
        said.contains("permission denied") && !said.contains(PASSWORD),
        "{said}"
    );
}
