//! State of a tenancy in NATS, and the ownership that it shows.

use async_nats::jetstream::{ErrorCode, stream::Info};
use serde::de::IgnoredAny;

use super::bucket;
use super::client::{Call, Nats};
use super::records::{ACCOUNT, FENCE, SCHEMA, Stored, key_of};
use crate::change::{Item, Step};
use crate::error::Error;
use crate::ownership::{Denial, Standing, recorded};
use crate::tenancy::{Schema, Tenancy};

/// State of a tenancy.
#[derive(Debug)]
pub(super) struct Observed {
    /// Record of the account.
    pub(super) account: Option<Stored>,
    /// Record of the schema.
    pub(super) schema: Option<Stored>,
    /// Note of the fence of the schema.
    pub(super) fence: Option<Stored>,
    /// The bucket, if it exists.
    pub(super) bucket: Option<Info>,
}

impl Observed {
    /// True if NATS has neither the schema nor a record of it, the tenant's or anybody else's.
    pub(super) fn is_without_schema(&self) -> bool {
        let recorded = self.schema.as_ref().and_then(Stored::record);
        recorded.is_none() && self.bucket.is_none()
    }

    /// True if the account has a record, the tenant's or anybody else's.
    pub(super) fn is_account_recorded(&self) -> bool {
        self.account.as_ref().and_then(Stored::record).is_some()
    }

    /// Identity of the fence that is noted.
    pub(super) fn fenced_by(&self) -> Option<&[u8]> {
        self.fence.as_ref().and_then(Stored::record)
    }

    /// Decides the ownership of the account, which may be free although the bucket is not.
    pub(super) fn account(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        let record = self.account.as_ref().and_then(Stored::record);
        Ok(recorded(record, tenancy)?.unwrap_or(Standing::Free))
    }

    /// Decides the ownership of the schema.
    pub(super) fn schema(&self, tenancy: &Tenancy) -> Result<Standing, Denial> {
        let record = self.schema.as_ref().and_then(Stored::record);
        if let Some(standing) = recorded(record, tenancy)? {
            return Ok(standing);
        }
        let name = tenancy.schema.as_str();
        if self.bucket.is_none() {
            Ok(Standing::Free)
        } else if tenancy.recorded || name == tenancy.owner.tenant {
            Ok(Standing::Unrecorded)
        } else {
            Err(Denial::Foreign(format!(
                "its bucket is there already and no record says whose it is; choose another \
                 dataStoreSchema, or delete the bucket {name} if nobody needs it"
            )))
        }
    }
}

impl Nats {
    /// Reads the records and the bucket of a tenancy.
    pub(super) async fn observe(&self, tenancy: &Tenancy) -> Result<Observed, Error> {
        let (record, note) = (
            key_of(SCHEMA, &tenancy.schema),
            key_of(FENCE, &tenancy.schema),
        );
        let (account, schema, fence, bucket) = tokio::try_join!(
            self.read(ACCOUNT),
            self.read(&record),
            self.read(&note),
            self.read_bucket(&tenancy.schema)
        )?;
        Ok(Observed {
            account,
            schema,
            fence,
            bucket,
        })
    }

    /// Reads configuration and state of a bucket, if it exists.
    pub(super) async fn read_bucket(&self, schema: &Schema) -> Result<Option<Info>, Error> {
        let doing = format!("reading bucket {schema}");
        let verb = format!("STREAM.INFO.{}", bucket::stream(schema.as_str()));
        let absent = [ErrorCode::STREAM_NOT_FOUND];
        self.api(doing, Call::new(&verb), &absent).await
    }

    /// Creates the tenant's bucket.
    pub(super) async fn create_bucket(&self, tenancy: &Tenancy) -> Result<Step, Error> {
        self.configure("creating", "CREATE", tenancy).await?;
        let item = Item::new("bucket", tenancy.schema.as_str());
        Ok(Step::Created(item))
    }

    /// Gives the tenant's bucket the configuration of its access.
    pub(super) async fn correct_bucket(&self, tenancy: &Tenancy) -> Result<Step, Error> {
        self.configure("correcting", "UPDATE", tenancy).await?;
        let item = Item::new("bucket", tenancy.schema.as_str());
        Ok(Step::Corrected(item))
    }

    async fn configure(&self, doing: &str, verb: &str, tenancy: &Tenancy) -> Result<(), Error> {
        let config = bucket::of_tenant(&tenancy.schema, tenancy.access);
        let doing = format!("{doing} bucket {}", tenancy.schema);
        let verb = format!("STREAM.{verb}.{}", config.name);
        self.api::<IgnoredAny>(doing, Call::with(&verb, &config), &[])
            .await
            .map(drop)
    }

    /// Deletes a bucket with all its data.
    pub(super) async fn delete_bucket(&self, schema: &Schema) -> Result<(), Error> {
        let doing = format!("deleting bucket {schema}");
        let verb = format!("STREAM.DELETE.{}", bucket::stream(schema.as_str()));
        let absent = [ErrorCode::STREAM_NOT_FOUND];
        self.api::<IgnoredAny>(doing, Call::new(&verb), &absent)
            .await
            .map(drop)
    }
}
