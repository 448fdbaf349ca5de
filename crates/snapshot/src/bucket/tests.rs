#[path = "../../tests/kit/header.rs"]
mod header;

use object_store::{PutPayload, memory::InMemory};

use super::*;
use crate::{encoder::Encoder, header::Header, seal::Seal};
use header::header;

fn snapshot() -> Vec<u8> {
    let encoder = Encoder::create(Vec::new(), &header(), &Seal::Plain).unwrap();
    encoder.finish(1).unwrap().0
}

async fn bucket(objects: &[(&str, Vec<u8>)]) -> Bucket {
    let store = InMemory::new();
    for (name, bytes) in objects {
        let payload = PutPayload::from(bytes.clone());
        store.put(&Path::from(*name), payload).await.unwrap();
    }
    Bucket {
        store: Box::new(store),
        path: Path::default(),
        url: "s3://backups/".to_owned(),
    }
}

#[tokio::test]
async fn an_empty_object_beside_a_snapshot_is_left_out_of_the_list() {
    let objects = [("a/", Vec::new()), ("demo.snap", snapshot())];
    let listing = bucket(&objects).await.list().await.unwrap();
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].name, "demo.snap");
    assert!(listing.entries[0].header.is_ok() && !listing.more);
}

#[tokio::test]
async fn an_object_that_vanishes_while_it_is_listed_is_an_entry_with_its_error() {
    let bucket = bucket(&[("demo.snap", snapshot())]).await;
    let path = Path::from("demo.snap");
    let object = bucket.store.head(&path).await.unwrap();
    bucket.remove("demo.snap").await.unwrap();
    let listed = bucket.listed(&object).await.unwrap();
    assert_eq!(listed.name, "demo.snap");
    assert!(matches!(listed.header, Err(Error::Bucket { .. })));
}

#[tokio::test]
async fn a_list_that_ends_at_its_bound_says_so() {
    let names: Vec<_> = (0..=LISTED).map(|number| number.to_string()).collect();
    let other = vec![b'x'; MAGIC.len() + 1];
    let mut objects: Vec<_> = names.iter().map(|name| (&**name, other.clone())).collect();
    objects.push(("zzz.snap", snapshot()));
    let listing = bucket(&objects).await.list().await.unwrap();
    assert!(listing.more && listing.entries.is_empty());
}
