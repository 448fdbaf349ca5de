use super::*;

fn names(archive: &Path) -> Vec<String> {
    let mut tar = tar::Archive::new(File::open(archive).unwrap());
    let entries = tar.entries().unwrap();
    entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}

#[test]
fn a_dynamic_binary_brings_its_libraries_and_its_loader() {
    let found = libraries(Path::new("/bin/sh")).unwrap();
    let found: Vec<String> = found
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    assert!(
        found.iter().any(|path| path.contains("libc.so")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|path| path.contains("ld-linux")),
        "{found:?}"
    );
}

#[test]
fn parents_of_files_come_before_them() {
    let image = Image::named("example.com/a/b:1").text("/x/y/z", "text");
    let folders: Vec<String> = image.folders().into_iter().collect();
    assert_eq!(folders, ["/etc", "/tmp", "/x", "/x/y"]);
}

#[test]
fn an_archive_of_the_same_content_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::named("example.com/a/b:1").text("/hello", "hello");
    let (path, written) = image.archive(dir.path()).unwrap();
    assert!(written);
    assert_eq!(image.archive(dir.path()).unwrap(), (path.clone(), false));
    let (changed, written) = image
        .text("/hello", "good bye")
        .archive(dir.path())
        .unwrap();
    assert!(written && changed != path);
}

#[test]
fn an_archive_holds_manifest_config_and_one_layer() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::named("example.com/a/b:1")
        .tag("example.com/a/b:2")
        .text("/hello", "hello");
    let names = names(&image.archive(dir.path()).unwrap().0);
    assert_eq!(names[0], "manifest.json");
    assert_eq!(names[2], "layer.tar");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
