//! The events of many objects as columns, in the order in which they came.

use chrono::{DateTime, Utc};
use hashbrown::HashMap;

use crate::incoming::{ExposureLine, IncomingError, RewardLine, decompress, parse};
use crate::key::EventKey;
use crate::kind::Kind;

/// The place of a text in [`Texts`].
pub(crate) type TextId = u32;
/// Where there is no text.
pub(crate) const NO_TEXT: TextId = u32::MAX;

/// Texts, each of them once.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    in_order: Vec<Box<str>>,
    ids: HashMap<Box<str>, TextId>,
    bytes: usize,
}

impl Texts {
    fn intern(&mut self, text: &str) -> TextId {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = u32::try_from(self.in_order.len()).unwrap_or(NO_TEXT - 1);
        self.in_order.push(text.into());
        self.ids.insert(text.into(), id);
        self.bytes += 2 * text.len() + 64;
        id
    }

    pub(crate) fn get(&self, id: TextId) -> Option<&str> {
        self.in_order.get(id as usize).map(AsRef::as_ref)
    }
}

/// Texts one after another: for what is hardly ever the same twice.
#[derive(Debug, Default)]
pub(crate) struct Column {
    text: String,
    ends: Vec<usize>,
}

impl Column {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(crate) fn get(&self, row: usize) -> &str {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[begin..self.ends[row]]
    }
}

/// What only exposures have.
#[derive(Debug, Default)]
pub(crate) struct Exposures {
    pub(crate) variants: Vec<TextId>,
    pub(crate) contexts: Vec<TextId>,
    pub(crate) versions: Vec<Option<i64>>,
    pub(crate) propensities: Vec<Option<f64>>,
    pub(crate) holdouts: Vec<Option<bool>>,
}

/// What only rewards have.
#[derive(Debug, Default)]
pub(crate) struct Rewards {
    pub(crate) names: Vec<TextId>,
    pub(crate) values: Vec<f64>,
    pub(crate) properties: Vec<TextId>,
}

/// Events of one kind.
#[derive(Debug)]
pub struct Batch {
    pub(crate) kind: Kind,
    pub(crate) keys: Vec<EventKey>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) ids: Column,
    pub(crate) optimizations: Vec<TextId>,
    pub(crate) texts: Texts,
    pub(crate) exposures: Exposures,
    pub(crate) rewards: Rewards,
    /// When the last object was received.
    pub(crate) received: Option<DateTime<Utc>>,
    /// Events of users who had asked to be deleted when they came.
    pub(crate) erased: u64,
}

/// Whose events are dropped: ids with the time up to which they are, in no order.
pub type Erased = HashMap<String, DateTime<Utc>>;

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            keys: Vec::new(),
            timestamps: Vec::new(),
            ids: Column::default(),
            optimizations: Vec::new(),
            texts: Texts::default(),
            exposures: Exposures::default(),
            rewards: Rewards::default(),
            received: None,
            erased: 0,
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// About what it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ids.text.len() + self.texts.bytes + 96 * self.len()
    }

    /// Adds the events of an object that was received at a time.
    ///
    /// # Errors
    /// [`IncomingError`]; then the events of that object are all left out.
    pub fn add(&mut self, object: &[u8], received: DateTime<Utc>, erased: &Erased) -> Result<(), IncomingError> {
        let lines = decompress(object)?;
        let before = self.len();
        let erased_before = self.erased;
        let mut lines = (1..).zip(lines.split('\n')).filter(|(_, line)| !line.is_empty());
        let gone = |id: &str| erased.get(id).is_some_and(|until| received <= *until);
        let added = lines.try_for_each(|(number, line)| match self.kind {
            Kind::Exposures => self.exposure(line, number, gone),
            Kind::Rewards => self.reward(line, number, gone),
        });
        if let Err(error) = added {
            self.truncate(before);
            self.erased = erased_before;
            return Err(error);
        }
        self.received = self.received.max(Some(received));
        Ok(())
    }

    fn exposure(&mut self, line: &str, number: usize, gone: impl Fn(&str) -> bool) -> Result<(), IncomingError> {
        let event: ExposureLine<'_> = parse(line, number)?;
        let key = key(event.key, number)?;
        if gone(&event.anonymous_id) {
            self.erased += 1;
            return Ok(());
        }
        self.common(key, &event.anonymous_id, event.timestamp, Some(event.optimization_id));
        let columns = &mut self.exposures;
        columns.variants.push(self.texts.intern(event.variant.get()));
        columns.contexts.push(event.context.map_or(NO_TEXT, |context| self.texts.intern(context.get())));
        columns.versions.push(event.posterior_version);
        columns.propensities.push(event.propensity);
        columns.holdouts.push(event.holdout);
        Ok(())
    }

    fn reward(&mut self, line: &str, number: usize, gone: impl Fn(&str) -> bool) -> Result<(), IncomingError> {
        let event: RewardLine<'_> = parse(line, number)?;
        let key = key(event.key, number)?;
        if gone(&event.anonymous_id) {
            self.erased += 1;
            return Ok(());
        }
        self.common(key, &event.anonymous_id, event.timestamp, event.optimization_id);
        let columns = &mut self.rewards;
        columns.names.push(self.texts.intern(&event.name));
        columns.values.push(event.value);
        columns.properties.push(event.properties.map_or(NO_TEXT, |properties| self.texts.intern(properties.get())));
        Ok(())
    }

    fn common(&mut self, key: EventKey, id: &str, timestamp: i64, optimization: Option<&str>) {
        self.keys.push(key);
        self.ids.push(id);
        self.timestamps.push(timestamp);
        self.optimizations.push(optimization.map_or(NO_TEXT, |id| self.texts.intern(id)));
    }

    fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows);
        self.timestamps.truncate(rows);
        self.ids.ends.truncate(rows);
        self.ids.text.truncate(self.ids.ends.last().copied().unwrap_or(0));
        self.optimizations.truncate(rows);
        let (exposures, rewards) = (&mut self.exposures, &mut self.rewards);
        exposures.variants.truncate(rows);
        exposures.contexts.truncate(rows);
        exposures.versions.truncate(rows);
        exposures.propensities.truncate(rows);
        exposures.holdouts.truncate(rows);
        rewards.names.truncate(rows);
        rewards.values.truncate(rows);
        rewards.properties.truncate(rows);
    }

    /// The rows in the order of their keys, the first of each key alone; of equal keys the one that came first stays.
    #[must_use]
    pub fn sorted(&self) -> Vec<(EventKey, u32)> {
        let rows = self.keys.iter().zip(0_u32..);
        let mut sorted: Vec<(EventKey, u32)> = rows.map(|(key, row)| (*key, row)).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(key, _)| *key);
        sorted
    }
}

fn key(hex: &str, line: usize) -> Result<EventKey, IncomingError> {
    let wrong = || IncomingError::Line { line, cause: format!("{hex:?} is not the hash of a key") };
    EventKey::from_hex(hex).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::compress;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn reward(id: &str, key: &str) -> String {
        let key = EventKey::given(Kind::Rewards, key).hex();
        format!(r#"{{"key":"{key}","anonymous_id":"{id}","timestamp":1,"name":"signup","value":1.5}}"#)
    }

    #[test]
    fn an_object_with_a_bad_line_adds_nothing() {
        let mut batch = Batch::new(Kind::Rewards);
        let good = compress(reward("a\\u00e9", "1").as_bytes()).unwrap();
        batch.add(&good, NOW, &Erased::new()).unwrap();
        for bad in ["{", r#"{"key":"zz","anonymous_id":"a","timestamp":1,"name":"n","value":1}"#] {
            let bad = compress(format!("{}\n{bad}\n", reward("b", "2")).as_bytes()).unwrap();
            let error = batch.add(&bad, NOW, &Erased::new()).unwrap_err();
            assert!(error.to_string().starts_with("line 2: "), "{error}");
        }
        assert!(batch.add(b"no zstd", NOW, &Erased::new()).is_err());
        let latin = compress(&[reward("b", "2").as_bytes(), b"\n\xe9\n"].concat()).unwrap();
        assert_eq!(batch.add(&latin, NOW, &Erased::new()).unwrap_err().to_string(), "line 2: it is not UTF-8");
        assert_eq!((batch.len(), batch.ids.get(0), batch.rewards.values.as_slice()), (1, "aé", [1.5].as_slice()));
        batch.add(&good, NOW, &Erased::new()).unwrap();
        assert_eq!((batch.len(), batch.ids.get(1)), (2, "aé"));
        assert_eq!(batch.sorted(), [(EventKey::given(Kind::Rewards, "1"), 0)]);
    }

    #[test]
    fn events_of_a_deleted_user_are_dropped_up_to_the_deletion() {
        let until = NOW + chrono::TimeDelta::seconds(10);
        let erased = Erased::from_iter([("a".to_owned(), until)]);
        let object = compress(format!("{}\n{}\n", reward("a", "1"), reward("b", "2")).as_bytes()).unwrap();
        let mut batch = Batch::new(Kind::Rewards);
        batch.add(&object, until, &erased).unwrap();
        batch.add(&object, until + chrono::TimeDelta::milliseconds(1), &erased).unwrap();
        let ids: Vec<&str> = (0..batch.len()).map(|row| batch.ids.get(row)).collect();
        assert_eq!((ids, batch.erased), (vec!["b", "a", "b"], 1));
    }
}
