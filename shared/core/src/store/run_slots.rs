//! The record of an organization's run slots.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::error::StoreError;
use super::names::organization_key;
use super::table::{Table, nested, number, text};
use crate::domain::RunSlots;

const KIND: &str = "RUNS";

impl Table {
    /// Reads the run slots of an organization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run_slots(&self, organization: &str) -> Result<RunSlots, StoreError> {
        Ok(self.get(organization_key(organization), KIND.to_owned()).await?.unwrap_or_default())
    }

    /// Gives the run slots other owners, if nobody did since they were read.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where somebody did.
    pub async fn change_run_slots(
        &self,
        organization: &str,
        before: &RunSlots,
        owners: &BTreeMap<String, i64>,
    ) -> Result<(), StoreError> {
        let revision = |revision: u64| number(i64::try_from(revision).unwrap_or(i64::MAX));
        let update = self
            .client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(KIND))
            .update_expression("SET #owners = :owners, revision = :next")
            .condition_expression("attribute_not_exists(pk) OR revision = :before")
            .expression_attribute_names("#owners", "owners")
            .expression_attribute_values(":owners", nested(owners)?)
            .expression_attribute_values(":before", revision(before.revision))
            .expression_attribute_values(":next", revision(before.revision + 1));
        match self.update(update).await {
            Ok(_) => Ok(()),
            Err(refused @ StoreError::Condition { .. }) => {
                // An earlier attempt of the same call may have got there, and its answer was lost.
                let now = self.run_slots(organization).await?;
                let is_ours = now.revision == before.revision + 1 && now.owners == *owners;
                if is_ours { Ok(()) } else { Err(refused) }
            }
            Err(other) => Err(other),
        }
    }

    /// Renews a run's slot: moves its expiry.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the slot is no longer the run's.
    pub async fn renew_run_slot(
        &self,
        organization: &str,
        owner: &str,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(KIND))
            .update_expression("SET #owners.#owner = :until")
            .condition_expression("attribute_exists(#owners.#owner)")
            .expression_attribute_names("#owners", "owners")
            .expression_attribute_names("#owner", owner)
            .expression_attribute_values(":until", number(until.timestamp_millis()));
        self.update(update).await.map(drop)
    }
}
