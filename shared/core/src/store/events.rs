//! The record of an organization's events: a lease, and the pointer to the manifest in force.

use ::events::Pointer;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use chrono::{DateTime, Utc};

use super::error::StoreError;
use super::names::organization_key;
use super::table::{Table, decode, nested, number, text};
use crate::domain::Lease;
use crate::domain::events::EventsRecord;

const KIND: &str = "EVENTS";

impl Table {
    fn update_events(&self, organization: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(KIND))
            .expression_attribute_names("#lease", "lease")
    }

    /// Acquires the lease of an organization's events, and returns the record with it; `None` where another run's lease has not
    /// expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acquire_events_lease(
        &self,
        organization: &str,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<Option<EventsRecord>, StoreError> {
        let update = self
            .update_events(organization)
            .update_expression("SET #lease = :lease")
            // An earlier attempt of the same call may have got there, and its answer was lost.
            .condition_expression("attribute_not_exists(#lease) OR #lease.#expires <= :now OR #lease.#owner = :owner")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":lease", nested(lease)?)
            .expression_attribute_values(":owner", text(&lease.owner))
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .return_values(ReturnValue::AllNew);
        match self.update(update).await {
            Ok(record) => Ok(Some(decode(record)?)),
            Err(StoreError::Condition { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Renews the lease: moves its expiry.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the owner's.
    pub async fn renew_events_lease(&self, organization: &str, lease: &Lease) -> Result<(), StoreError> {
        let update = self
            .update_events(organization)
            .update_expression("SET #lease.#expires = :expires")
            .condition_expression("#lease.#owner = :owner")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":expires", number(lease.expires_at.timestamp_millis()))
            .expression_attribute_values(":owner", text(&lease.owner));
        self.update(update).await.map(drop)
    }

    /// Releases the lease.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the owner's.
    pub async fn release_events_lease(&self, organization: &str, owner: &str) -> Result<(), StoreError> {
        let update = self
            .update_events(organization)
            .update_expression("REMOVE #lease")
            .condition_expression("#lease.#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner));
        self.update(update).await.map(drop)
    }

    /// Puts another manifest in force, if the lease is the owner's and the pointer is where it was. A pointer that is there already
    /// was moved by an earlier attempt of the same call, whose answer was lost: no two runs write manifests of the same key.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it is not.
    pub async fn move_events_pointer(
        &self,
        organization: &str,
        owner: &str,
        from: Option<&Pointer>,
        to: &Pointer,
    ) -> Result<(), StoreError> {
        let update = self
            .update_events(organization)
            .update_expression("SET #manifest = :to")
            .expression_attribute_names("#manifest", "manifest")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":key", text(&to.key))
            .expression_attribute_values(":to", nested(to)?);
        let update = match from {
            None => update.condition_expression(
                "#lease.#owner = :owner AND (attribute_not_exists(#manifest) OR #manifest.#key = :key)",
            ),
            Some(from) => update
                .condition_expression("#lease.#owner = :owner AND #manifest.#key IN (:from, :key)")
                .expression_attribute_values(":from", text(&from.key)),
        };
        self.update(update).await.map(drop)
    }
}
