//! Snapshots as files of this machine.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

use std::os::unix::fs::PermissionsExt;

use kamaji_snapshot::NewFile;

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_has_mode_0600_and_appears_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.snap");
    let file = NewFile::beside(&path).unwrap();
    std::io::Write::write_all(&mut file.writer().unwrap(), b"content").unwrap();
    assert!(!path.exists());
    file.commit(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["demo.snap"]);
}

#[test]
fn a_file_that_was_not_finished_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(NewFile::beside(&folder.path().join("demo.snap")).unwrap());
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_file_that_exists_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.snap");
    let late = NewFile::beside(&path).unwrap();
    std::fs::write(&path, b"precious").unwrap();
    assert!(NewFile::beside(&path).is_err());
    assert!(late.commit(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert_eq!(names(folder.path()), ["demo.snap"]);
}
