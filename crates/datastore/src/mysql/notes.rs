//! Notes beside the owner record of a schema, where no tenant can write: the place of the writer, and the fence.

use super::query::Query;
use super::session::Session;
use crate::error::Error;
use crate::fence::FenceId;
use crate::tenancy::Tenancy;
use crate::transfer::place;

const TAKE_PLACE: &str = "REPLACE INTO kamaji_clastix_io.owners (kind, name, record) \
     VALUES ('writer', ?, ?)";
const NOTE_FENCE: &str = "INSERT IGNORE INTO kamaji_clastix_io.owners (kind, name, record) \
     VALUES ('fence', ?, ?)";
const FENCE: &str = "SELECT record FROM kamaji_clastix_io.owners WHERE kind = 'fence' AND name = ?";
const LIFT_FENCE: &str = "DELETE FROM kamaji_clastix_io.owners \
     WHERE kind = 'fence' AND name = ? AND record = ?";
const FORGET: &str = "DELETE FROM kamaji_clastix_io.owners \
     WHERE kind IN ('writer', 'fence') AND name = ?";

impl Session<'_> {
    /// Takes the place of the writer at a schema that is the tenant's, and ends the connections of an earlier one;
    /// returns the place.
    pub(super) async fn take_place(&mut self, tenancy: &Tenancy) -> Result<String, Error> {
        self.lock(tenancy).await?;
        let observed = self.require_own(tenancy).await?;
        let doing = format!("taking the writer's place at schema {}", tenancy.schema);
        let place = place::draw();
        let row = (tenancy.schema.as_str(), place.as_str());
        self.change_unless(&[], Query::new(&doing, TAKE_PLACE), row)
            .await?;
        self.end_all_sessions(tenancy, &observed).await?;
        self.unlock(tenancy).await?;
        Ok(place)
    }

    /// Notes the fence of a schema that is the tenant's, under the locks. An error if another one is noted.
    pub(super) async fn note_fence(
        &mut self,
        tenancy: &Tenancy,
        fence: &FenceId,
    ) -> Result<(), Error> {
        self.require_own(tenancy).await?;
        let doing = format!("noting the fence of schema {}", tenancy.schema);
        let row = (tenancy.schema.as_str(), fence.as_str());
        self.change_unless(&[], Query::new(&doing, NOTE_FENCE), row)
            .await?;
        self.require_fence(tenancy, Some(fence)).await
    }

    /// Deletes the note of a fence, under the locks. An error if another one is noted.
    pub(super) async fn forget_fence(
        &mut self,
        tenancy: &Tenancy,
        fence: &FenceId,
    ) -> Result<(), Error> {
        let doing = format!("lifting the fence of schema {}", tenancy.schema);
        let row = (tenancy.schema.as_str(), fence.as_str());
        self.change_unless(&[], Query::new(&doing, LIFT_FENCE), row)
            .await?;
        self.require_fence(tenancy, None).await
    }

    /// Fails if a fence other than `fence` is noted, or any without one.
    pub(super) async fn require_fence(
        &mut self,
        tenancy: &Tenancy,
        fence: Option<&FenceId>,
    ) -> Result<(), Error> {
        let doing = format!("reading the fence of schema {}", tenancy.schema);
        let schema = (tenancy.schema.as_str(),);
        let noted: Vec<Vec<u8>> = self.rows(&doing, FENCE, schema).await?;
        let noted = noted.first().map(Vec::as_slice);
        FenceId::require(fence, noted, || self.site(doing.as_str()))
    }

    /// Deletes the notes of a schema whose ownership was decided.
    pub(super) async fn forget_notes(&mut self, tenancy: &Tenancy) -> Result<(), Error> {
        let doing = format!("deleting notes of schema {}", tenancy.schema);
        let schema = (tenancy.schema.as_str(),);
        self.change_unless(&[], Query::new(&doing, FORGET), schema)
            .await
            .map(drop)
    }
}
