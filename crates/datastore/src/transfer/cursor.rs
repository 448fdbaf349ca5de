//! Position of a pass through the keys in their order.

use super::ends::Page;
use super::error::{CopyError, shown};

/// Keys that a pass has dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cursor {
    /// None of the keys.
    #[default]
    Start,
    /// The keys up to this one, inclusive.
    At(Vec<u8>),
    /// Every key of the tenant.
    End,
}

impl Cursor {
    /// Key after which the next page begins.
    pub fn after(&self) -> Option<&[u8]> {
        match self {
            Self::At(key) => Some(key),
            Self::Start | Self::End => None,
        }
    }

    /// True if the pass has dealt with `key`, or would have if it existed.
    pub fn covers(&self, key: &[u8]) -> bool {
        match self {
            Self::Start => false,
            Self::At(last) => key <= last.as_slice(),
            Self::End => true,
        }
    }

    /// Position behind `page`, whose keys have to follow this position in their order.
    pub fn behind(&self, page: &Page, end: &'static str) -> Result<Self, CopyError> {
        let mut last = self.after();
        for record in &page.records {
            if last.is_some_and(|last| record.key.as_slice() <= last) {
                let key = shown(&record.key);
                return Err(CopyError::Disorder { end, key });
            }
            last = Some(&record.key);
        }
        Ok(match last {
            Some(last) if page.more => Self::At(last.to_vec()),
            _ => Self::End,
        })
    }

    /// The position that comes first.
    pub(super) fn min(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Start, _) | (_, Self::End) => self,
            (Self::At(one), Self::At(two)) if one <= two => self,
            _ => other,
        }
    }
}
