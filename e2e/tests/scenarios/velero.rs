//! Velero, as `docs/guides/backup.md` has it typed: objects and Secrets of tenants are lost while their data stays, and come
//! back with their authorities, schemas and users.
//!
//! Only with `KAMAJI_SOAK=1`: Velero takes long to build.

mod loss;
mod record;
mod server;
mod tenants;

use std::time::Duration;

use anyhow::Result;
use kamaji_e2e::databases::{Channel, postgresql};
use kamaji_e2e::step::step;
use kamaji_e2e::testbed::Testbed;

use super::databases;
use server::Velero;
use tenants::Tenants;

const LIMIT: Duration = Duration::from_mins(3);

pub async fn run(testbed: Testbed) -> Result<()> {
    if std::env::var_os("KAMAJI_SOAK").is_none() {
        println!("NOT RUN: only with KAMAJI_SOAK=1, since Velero takes long to build");
        return Ok(());
    }
    let velero = step("Velero", Velero::install(&testbed)).await?;
    let database = postgresql::start(&testbed.bed, Channel::Tls).await?;
    databases::apply_data_store(&testbed, &database).await?;
    let name = database.name();
    let start = Box::pin(Tenants::start(&testbed, &velero, &name));
    let mut tenants = step("tenants", start).await?;

    let [back_up, restore, go_on] = velero.page()?;
    step("backup", velero.ends(&back_up.body, "Completed")).await?;
    tenants.write("after").await?;
    step("restore as on the page", async {
        tenants.lose().await?;
        tenants.start_operator().await?;
        velero.ends(&restore.body, "Completed").await?;
        tenants.wait_paused().await?;
        velero.shell(&go_on.body).await?;
        tenants.have_returned().await
    })
    .await?;
    step("rest", tenants.stay()).await?;
    step("a copy in another namespace", tenants.are_not_copied()).await?;
    step("restore while the operator runs", async {
        tenants.lose().await?;
        tenants.start_operator().await?;
        tenants.restore("Completed").await?;
        tenants.have_returned().await
    })
    .await?;
    step("rest", tenants.stay()).await?;
    step("restore without an operator, and without status", async {
        tenants.lose().await?;
        tenants.are_refused().await?;
        tenants.start_operator().await?;
        tenants.return_by_annotation().await
    })
    .await?;
    step("rest", tenants.stay()).await?;

    tenants.remove().await?;
    databases::remove(&testbed, &database).await?;
    step("removal of Velero", velero.uninstall()).await
}
