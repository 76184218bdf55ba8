//! Lists of an organization, newest first, in pages: by limit, and by what fits an answer.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Answer;
use super::error::{PAUSES, StoreError, sort};
use super::names::{ARCHIVED_MODEL, built, list_order, model_key, optimization_list, organization_key};
use super::table::{INDEX_BY_UPDATE, Item, Table, decode, text};
use crate::domain::{Model, Optimization, OptimizationStatus, Standing};

/// Keys that one `BatchGetItem` takes.
const MOST_KEYS: usize = 100;

/// Whether a text is a place in the list of a kind, as [`list_order`] writes it: what a cursor may hold.
#[must_use]
pub fn is_place(kind: &str, text: &str) -> bool {
    let place = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('#')?.split_once('#'));
    place.is_some_and(|(millis, id)| {
        let of_digits = millis.len() == 15 && millis.bytes().all(|byte| byte.is_ascii_digit());
        of_digits && Uuid::try_parse(id).is_ok_and(|parsed| parsed.to_string() == id)
    })
}

/// What the list of optimizations is sorted by, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// The last change.
    #[default]
    UpdatedAt,
    /// The creation.
    CreatedAt,
}

impl ListOrder {
    /// What a place in this list begins with.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::UpdatedAt => "OPTIMIZATION",
            Self::CreatedAt => "CREATED",
        }
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ListOptions<'a> {
    /// Whether what is archived is in it.
    pub include_archived: bool,
    /// So many at the most.
    pub limit: Option<usize>,
    /// The place after which it begins.
    pub cursor: Option<&'a str>,
    /// And no more than fit so many bytes of an answer.
    pub max_bytes: usize,
}

impl ListOptions<'_> {
    /// Everything that is not archived.
    pub const ALL: Self = Self { include_archived: false, limit: None, cursor: None, max_bytes: usize::MAX };
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent where nothing follows.
    pub next: Option<String>,
}

/// A page that is being filled.
pub(super) struct Filling<'a, T> {
    options: &'a ListOptions<'a>,
    page: Page<T>,
    bytes: usize,
    last: String,
}

impl<'a, T: Serialize> Filling<'a, T> {
    pub(super) fn new(options: &'a ListOptions<'a>) -> Self {
        Self { options, page: Page { items: Vec::new(), next: None }, bytes: 0, last: String::new() }
    }

    /// Takes the item that stands at a place; `false` where the page was full before.
    pub(super) fn take(&mut self, place: String, item: T) -> bool {
        if self.options.cursor == Some(place.as_str()) {
            return true;
        }
        self.bytes += 200 + bytes_in_answer(&item);
        let full = self.options.limit.is_some_and(|limit| self.page.items.len() >= limit);
        if full || (self.bytes > self.options.max_bytes && !self.page.items.is_empty()) {
            self.page.next = Some(std::mem::take(&mut self.last));
            return false;
        }
        self.last = place;
        self.page.items.push(item);
        true
    }

    pub(super) fn end(self) -> Page<T> {
        self.page
    }
}

/// Bytes that a value takes in an answer, which travels from a function to the gateway as text inside JSON: every quote and
/// every backslash of it is written twice as long. Of a record, the API's names, times and nulls take up to 200 more.
pub(crate) fn bytes_in_answer(value: &impl Serialize) -> usize {
    let json = serde_json::to_string(value).unwrap_or_default();
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// The records of one kind, newest change first, from a cursor on, as the store's pages bring them.
struct Newest<T> {
    query: QueryFluentBuilder,
    ready: VecDeque<Item>,
    from: Option<Item>,
    over: bool,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> Newest<T> {
    fn new(table: &Table, organization: &str, kind: &str, cursor: Option<&str>) -> Self {
        // The cursor's own kind may be another, where lists of two kinds are merged.
        let after = cursor.and_then(|cursor| cursor.split_once('#'));
        let upper = after.map_or_else(|| format!("{kind}#~"), |(_, place)| format!("{kind}#{place}"));
        let query = table
            .client
            .query()
            .index_name(INDEX_BY_UPDATE)
            .key_condition_expression("pk = :pk AND list_order BETWEEN :lower AND :upper")
            .expression_attribute_values(":pk", text(organization_key(organization)))
            .expression_attribute_values(":lower", text(format!("{kind}#")))
            .expression_attribute_values(":upper", text(upper))
            .scan_index_forward(false);
        Self { query, ready: VecDeque::new(), from: None, over: false, of: PhantomData }
    }

    async fn next(&mut self, table: &Table) -> Result<Option<T>, StoreError> {
        while self.ready.is_empty() && !self.over {
            let (found, more) = table.page(self.query.clone().set_exclusive_start_key(self.from.take())).await?;
            self.ready.extend(found);
            self.over = more.is_none();
            self.from = more;
        }
        self.ready.pop_front().map(decode).transpose()
    }
}

impl Table {
    /// The models of an organization, newest `updated_at` first. Archived ones have places of their own, and are read only where
    /// they are asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn models(&self, organization: &str, options: &ListOptions<'_>) -> Result<Page<Model>, StoreError> {
        let mut lists = vec![Newest::new(self, organization, "MODEL", options.cursor)];
        if options.include_archived {
            lists.push(Newest::new(self, organization, ARCHIVED_MODEL, options.cursor));
        } else {
            // Those that were archived by an earlier release still stand among the others.
            let query = lists[0].query.clone();
            lists[0].query = query.filter_expression("attribute_not_exists(archived_at)");
        }
        self.merged(lists, options, |model: &Model| list_order("MODEL", model.updated_at, model.id)).await
    }

    /// The optimizations of an organization, newest first. Archived ones have places of their own, and are read only where they
    /// are asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn optimizations(
        &self,
        organization: &str,
        order: ListOrder,
        options: &ListOptions<'_>,
    ) -> Result<Page<Optimization>, StoreError> {
        if order == ListOrder::CreatedAt {
            return self.optimizations_by_creation(organization, options).await;
        }
        let mut lists = vec![Newest::new(self, organization, order.kind(), options.cursor)];
        if options.include_archived {
            let archived = optimization_list(OptimizationStatus::Archived);
            lists.push(Newest::new(self, organization, archived, options.cursor));
        } else {
            // Those that were archived by an earlier release still stand among the others.
            let query = lists[0].query.clone();
            lists[0].query = query
                .filter_expression("NOT #status = :archived")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":archived", text(OptimizationStatus::Archived.as_str()));
        }
        let place = |found: &Optimization| list_order(order.kind(), found.updated_at, found.id);
        self.merged(lists, options, place).await
    }

    /// In the order of creation. No index has it: all that are asked for are read, a few hundred bytes each, and sorted here.
    async fn optimizations_by_creation(
        &self,
        organization: &str,
        options: &ListOptions<'_>,
    ) -> Result<Page<Optimization>, StoreError> {
        let mut all: Vec<Optimization> = self.query_by_update(organization, "OPTIMIZATION#").await?;
        if options.include_archived {
            let archived = optimization_list(OptimizationStatus::Archived);
            all.extend(self.query_by_update::<Optimization>(organization, &format!("{archived}#")).await?);
        }
        let place = |found: &Optimization| list_order(ListOrder::CreatedAt.kind(), found.created_at, found.id);
        let mut all: Vec<(String, Optimization)> = all.into_iter().map(|found| (place(&found), found)).collect();
        all.retain(|(place, found)| {
            let seen = options.include_archived || found.status != OptimizationStatus::Archived;
            seen && options.cursor.is_none_or(|cursor| place.as_str() < cursor)
        });
        all.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        let mut filling = Filling::new(options);
        for (place, found) in all {
            if !filling.take(place, found) {
                break;
            }
        }
        Ok(filling.end())
    }

    /// A page of several lists, each of which is sorted, as one.
    async fn merged<T: DeserializeOwned + Serialize>(
        &self,
        mut lists: Vec<Newest<T>>,
        options: &ListOptions<'_>,
        place: impl Fn(&T) -> String,
    ) -> Result<Page<T>, StoreError> {
        let mut heads = Vec::with_capacity(lists.len());
        for list in &mut lists {
            heads.push(list.next(self).await?);
        }
        let mut filling = Filling::new(options);
        loop {
            let places = heads.iter().enumerate().filter_map(|(i, head)| Some((place(head.as_ref()?), i)));
            let Some((place, newest)) = places.max() else { return Ok(filling.end()) };
            let head = heads[newest].take();
            if head.is_some_and(|item| !filling.take(place, item)) {
                return Ok(filling.end());
            }
            heads[newest] = lists[newest].next(self).await?;
        }
    }

    /// Of each of these models what says its status, and nothing else of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standings(&self, organization: &str, ids: &[Uuid]) -> Result<Vec<Standing>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_KEYS) {
            let key = |id: &Uuid| {
                HashMap::from([
                    ("pk".to_owned(), text(organization_key(organization))),
                    ("sk".to_owned(), text(model_key(*id))),
                ])
            };
            let names = [
                ("#id", "id"),
                ("#archived", "archived_at"),
                ("#lease", "lease"),
                ("#posterior", "posterior"),
                ("#version", "posterior_version"),
                ("#error", "last_error"),
                ("#at", "at"),
            ];
            let mut asked = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(ids.iter().map(key).collect()))
                .projection_expression("#id, #archived, #lease, #posterior.#version, #error.#at");
            for (placeholder, name) in names {
                asked = asked.expression_attribute_names(placeholder, name);
            }
            for item in self.batch(built(asked.build())?).await? {
                all.push(decode(item)?);
            }
        }
        Ok(all)
    }

    /// The items of up to a hundred keys. What the store leaves out, since it is too much at once, is asked for again.
    fn batch(&self, asked: KeysAndAttributes) -> Answer<'_, Vec<Item>> {
        Box::pin(async move {
            let (mut items, mut left, mut pauses) = (Vec::new(), Some(asked), PAUSES.into_iter());
            while let Some(asked) = left {
                let sent = self.client.batch_get_item().request_items(&self.name, asked).send().await;
                let mut answer = sent.map_err(|e| sort("BatchGetItem", &e))?;
                let mut found = answer.responses.take().unwrap_or_default();
                let found = found.remove(&self.name).unwrap_or_default();
                left = answer.unprocessed_keys.take().unwrap_or_default().remove(&self.name);
                if left.is_some() && found.is_empty() {
                    let throttled = || StoreError::Unavailable {
                        operation: "BatchGetItem",
                        cause: "the store processes no key".to_owned(),
                    };
                    tokio::time::sleep(pauses.next().ok_or_else(throttled)?).await;
                }
                items.extend(found);
            }
            Ok(items)
        })
    }
}
