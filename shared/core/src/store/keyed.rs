//! Requests with an `Idempotency-Key` in the table: begun before the work, finished in the transaction of its effect.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem, Update};
use chrono::{DateTime, Utc};

use super::error::StoreError;
use super::names::{built, organization_key};
use super::table::{Table, decode, nested, number, text};
use crate::domain::{KeptAnswer, KeyRecord};
use crate::keyed_work::{Effect, KeyedWork};

fn key_record(name: &str) -> String {
    format!("IDEMPOTENCY#{name}")
}

/// What came of an attempt to begin the work of a request with a key.
#[derive(Clone, Debug)]
pub enum KeyAttempt {
    /// It is ours to do, and this is what an earlier attempt has done of it.
    Begun(Option<Effect>),
    /// Another attempt is at work, as far as is known until then; from then on it is worth beginning.
    AtWork(DateTime<Utc>),
    /// It is done.
    Answered(KeptAnswer),
    /// The key is of another request.
    OtherRequest,
}

impl KeyAttempt {
    /// What a record says to an attempt that would be `record`.
    fn of(found: Option<KeyRecord>, record: &KeyRecord, now: DateTime<Utc>) -> Self {
        match found {
            // It was there a moment ago: whoever begins now finds it free.
            None => Self::AtWork(now),
            Some(found) if found.ttl <= now.timestamp() => Self::AtWork(now),
            Some(found) if found.request != record.request => Self::OtherRequest,
            Some(KeyRecord { answer: Some(answer), .. }) => Self::Answered(answer),
            // An earlier sending of this very call got there, and its answer was lost.
            Some(found) if found.owner == record.owner => Self::Begun(found.effect),
            Some(found) => Self::AtWork(found.expires_at),
        }
    }
}

impl Table {
    /// Begins the work of a request under the key of a name, or says who has or had it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_keyed(
        &self,
        organization: &str,
        name: &str,
        record: &KeyRecord,
        now: DateTime<Utc>,
    ) -> Result<KeyAttempt, StoreError> {
        let fresh = "attribute_not_exists(pk) OR (#request = :request AND attribute_not_exists(#answer) \
                     AND #expires <= :now AND #ttl > :seconds)";
        let write = self
            .key_update(organization, name)
            .expression_attribute_names("#request", "request")
            .expression_attribute_names("#answer", "answer")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":request", text(&record.request))
            .expression_attribute_values(":owner", text(&record.owner))
            .expression_attribute_values(":expires", number(record.expires_at.timestamp_millis()))
            .expression_attribute_values(":ttl", number(record.ttl))
            .return_values(ReturnValue::AllNew);
        let set = "SET #request = :request, #owner = :owner, #expires = :expires, #ttl = :ttl";
        let first = write
            .clone()
            .update_expression(set)
            .condition_expression(fresh)
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .expression_attribute_values(":seconds", number(now.timestamp()));
        match self.update(first).await {
            Ok(item) => return Ok(KeyAttempt::Begun(decode::<KeyRecord>(item)?.effect)),
            Err(StoreError::Condition { .. }) => {}
            Err(other) => return Err(other),
        }
        let found = self.keyed(organization, name).await?;
        let Some(old) = found.as_ref().map(|found| found.ttl).filter(|&ttl| ttl <= now.timestamp()) else {
            return Ok(KeyAttempt::of(found, record, now));
        };
        // Its time is over, and the store has not removed it yet.
        let anew = write
            .update_expression(format!("{set} REMOVE #answer, #effect"))
            .condition_expression("#ttl = :old")
            .expression_attribute_names("#effect", "effect")
            .expression_attribute_values(":old", number(old));
        match self.update(anew).await {
            Ok(_) => Ok(KeyAttempt::Begun(None)),
            Err(StoreError::Condition { .. }) => Ok(KeyAttempt::AtWork(now)),
            Err(other) => Err(other),
        }
    }

    /// The record of a key, by its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keyed(&self, organization: &str, name: &str) -> Result<Option<KeyRecord>, StoreError> {
        self.get(organization_key(organization), key_record(name)).await
    }

    /// How an attempt stands that found another one at work: a look, where beginning would be a write.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look_keyed(
        &self,
        organization: &str,
        name: &str,
        record: &KeyRecord,
        now: DateTime<Utc>,
    ) -> Result<KeyAttempt, StoreError> {
        Ok(KeyAttempt::of(self.keyed(organization, name).await?, record, now))
    }

    fn key_update(&self, organization: &str, name: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(key_record(name)))
            .expression_attribute_names("#owner", "owner")
    }

    fn own_key_update(&self, work: &KeyedWork, owner: &str) -> UpdateItemFluentBuilder {
        self.key_update(&work.organization, &work.name)
            .condition_expression("#owner = :owner")
            .expression_attribute_values(":owner", text(owner))
    }

    /// Moves the time from which another attempt may take over; a time that is past lets it at once.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where another attempt has taken over.
    pub async fn renew_keyed(&self, work: &KeyedWork, owner: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        let update = self
            .own_key_update(work, owner)
            .update_expression("SET #expires = :expires")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":expires", number(until.timestamp_millis()));
        self.update(update).await.map(drop)
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where another attempt has taken over.
    pub async fn keep_answer(&self, work: &KeyedWork, owner: &str, answer: &KeptAnswer) -> Result<(), StoreError> {
        let update = self
            .own_key_update(work, owner)
            .update_expression("SET #answer = :answer")
            .expression_attribute_names("#answer", "answer")
            .expression_attribute_values(":answer", nested(answer)?);
        self.update(update).await.map(drop)
    }

    /// Writes several items, all or none, and with them what they are the effect of, where this task works under a key.
    ///
    /// # Errors
    /// As [`Table::transact`], and [`StoreError::Superseded`] where another attempt under the same key has taken over or has
    /// had the effect; nothing was written then.
    pub(super) async fn transact_with_effect(
        &self,
        mut writes: Vec<TransactWriteItem>,
        effect: Effect,
    ) -> Result<(), StoreError> {
        let Some(work) = KeyedWork::current() else { return self.transact(writes).await };
        let last = writes.len();
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(&work.organization)))
            .key("sk", text(key_record(&work.name)))
            .update_expression("SET #effect = :effect")
            .expression_attribute_names("#effect", "effect")
            .expression_attribute_values(":effect", nested(&effect)?);
        let update = match &work.owner {
            Some(owner) => update
                .condition_expression("#owner = :owner AND attribute_not_exists(#effect)")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(owner)),
            None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(#effect)"),
        };
        writes.push(TransactWriteItem::builder().update(built(update.build())?).build());
        match self.transact(writes).await {
            Err(StoreError::Condition { item, .. }) if item == last => Err(StoreError::Superseded),
            done => done,
        }
    }
}
