//! Size of a tenant's data: every page is read, whatever the values are.

use super::*;

#[tokio::test]
async fn the_size_of_a_tenant_is_the_sum_of_its_keys_and_values() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = client_of(&server, &tenancy).await;
    let mut expected = 0;
    // Small values let the pages grow; then more than the client takes at once.
    let small = (0..200).map(|n| (format!("/cp-a/a{n:04}"), 100));
    let large = (0..8).map(|n| (format!("/cp-a/b{n}"), 1 << 20));
    for (key, length) in small.chain(large) {
        expected += key.len() + length;
        client.put(key, vec![b'x'; length], None).await.unwrap();
    }
    let mut admin = server.client("root").await;
    admin.put("/cp-aa/x", vec![b'x'; 5000], None).await.unwrap();
    admin.put("/cp-a0", "beyond the end", None).await.unwrap();
    assert_eq!(store.bytes(&tenancy).await, Ok(expected as u64));
    assert_eq!(store.usage(&tenancy).await, Ok(208));
}
