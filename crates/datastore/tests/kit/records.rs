//! Every record that a tenant has, read in pages.

use kamaji_datastore::transfer::{Reader, Record};
use kamaji_datastore::{DataStore, Tenancy};

/// Every record of a reader.
pub async fn records(reader: &mut dyn Reader) -> Vec<Record> {
    let (mut records, mut after): (Vec<Record>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let page = reader.page(after.as_deref()).await.unwrap();
        let last = page.records.last();
        after = last.map(|record| record.key.clone()).or(after);
        records.extend(page.records);
        if !page.more {
            return records;
        }
    }
}

/// Key and value of every record of a tenancy.
pub async fn content(store: &dyn DataStore, tenancy: &Tenancy) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut reader = store.reader(tenancy).await.unwrap();
    let records = records(reader.as_mut()).await;
    records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect()
}
