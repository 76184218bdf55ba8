//! Encoding a stored posterior.

use std::collections::BTreeMap;

use super::header::{Entry, Header, Number};
use super::{AMOUNT, FORMAT, LEAST_DRAWS, MAIN, MOST_BYTES, Names, RESERVED_KEYS, StoredError};
use crate::report::{Assignment, LevelValue};
use crate::{Column, Columns, Diagnostics, Link, Posterior, Predictor, Space, Training};

/// The object of a training run. `metadata`: configuration and provenance, what the caller knows.
///
/// The draws are every k-th, with the least k for which the object has at most 32,000,000 bytes, header and all, and at
/// least 1,000 of them where there are so many.
///
/// # Errors
/// [`StoredError::ReservedKey`] for metadata with one of [`RESERVED_KEYS`]; [`StoredError::Size`] for a posterior whose
/// parts do not go together; [`StoredError::Json`].
pub fn encode(space: &Space, training: &Training, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, StoredError> {
    if let Some(key) = RESERVED_KEYS.iter().find(|&&key| metadata.contains_key(key)) {
        return Err(StoredError::ReservedKey { key: (*key).to_owned() });
    }
    let posterior = &training.posterior;
    let mut described = metadata.clone();
    described.extend(own_metadata(space, training)?.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let mut header = |stride: usize, entries: &[(&'static str, Entry)]| {
        described.insert("draws_stride".to_owned(), stride.to_string());
        Header::write(&described, entries).map_err(|cause| StoredError::Json { what: "the header", cause })
    };
    let mut tensors = Tensors::default();
    for (part, names) in parts(posterior) {
        tensors.add_doubles(space, part, names)?;
    }
    if let Link::Identity { center, scale } = posterior.link {
        tensors.doubles("location", &[2], &[center, scale])?;
    }
    let (policy, state) = (training.policy.to_bytes(), json("state", &training.report)?);
    let all = posterior.len();
    // The object of all draws has the longest numbers in its header.
    let mut entries = tensors.entries.clone();
    let mut size = tensors.data.len();
    let mut row = 0;
    for (part, names) in parts(posterior) {
        for (name, width) in widths(part, names) {
            entries.push((name, Entry::at(&mut size, Number::F32, &[all, width])));
            row += 4 * width;
        }
    }
    entries.push(("policy", Entry::at(&mut size, Number::U8, &[policy.len()])));
    entries.push(("state", Entry::at(&mut size, Number::U8, &[state.len()])));
    let fixed = header(all, &entries)?.len() + size - all * row;
    let rows = (MOST_BYTES.saturating_sub(fixed) / row.max(1)).max(LEAST_DRAWS.min(all)).max(1);
    let stride = all.div_ceil(rows).max(1);

    for (part, names) in parts(posterior) {
        for (name, width) in widths(part, names) {
            let row = |s| if name == names.draws { part.draw(s) } else { part.stratum_draw(s) };
            let values = (0..all).step_by(stride).flat_map(row).flat_map(|x| x.to_le_bytes());
            tensors.push(name, Number::F32, &[all.div_ceil(stride), width], values)?;
        }
    }
    tensors.push("policy", Number::U8, &[policy.len()], policy)?;
    tensors.push("state", Number::U8, &[state.len()], state)?;
    let mut object = header(stride, &tensors.entries)?;
    object.append(&mut tensors.data);
    Ok(object)
}

/// The posterior, and that of the amounts of two-part rewards.
fn parts(posterior: &Posterior) -> impl Iterator<Item = (&Posterior, &'static Names)> {
    std::iter::once((posterior, &MAIN)).chain(posterior.amount.as_deref().map(|amount| (amount, &AMOUNT)))
}

/// The tensors with a row for each draw, and how wide they are.
fn widths(part: &Posterior, names: &Names) -> impl Iterator<Item = (&'static str, usize)> {
    let strata = part.has_strata().then(|| (names.strata, part.strata_count()));
    std::iter::once((names.draws, part.columns)).chain(strata)
}

/// The reserved metadata but the stride.
fn own_metadata(space: &Space, training: &Training) -> Result<Vec<(&'static str, String)>, StoredError> {
    let posterior = &training.posterior;
    let text = |what, bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| StoredError::UnknownValue { key: what, value: "not UTF-8".to_owned() })
    };
    let diagnostics = |of: &Posterior| {
        let diagnostics = Diagnostics { scales: Vec::new(), ..of.diagnostics.clone() };
        text("diagnostics", json("diagnostics", &diagnostics)?)
    };
    let predictor = match posterior.predictor {
        Predictor::Arms => "arms",
        Predictor::Columns => "columns",
    };
    let link = match posterior.link {
        Link::Logit => "logit",
        Link::Identity { .. } => "identity",
        Link::Log => "log",
    };
    let amount = match posterior.amount.as_deref() {
        Some(amount) => Some(("amount_diagnostics", diagnostics(amount)?)),
        None => None,
    };
    let keys = [
        ("columns", text("columns", json("columns", &column_names(space, posterior.predictor))?)?),
        ("diagnostics", diagnostics(posterior)?),
        ("format", FORMAT.to_owned()),
        ("link", link.to_owned()),
        ("metrics", text("metrics", json("metrics", &training.metrics)?)?),
        ("predictor", predictor.to_owned()),
    ];
    Ok(keys.into_iter().chain(amount).collect())
}

/// The factors and levels of each column.
fn column_names(space: &Space, predictor: Predictor) -> Vec<Assignment> {
    if predictor == Predictor::Arms {
        return (0..space.variants()).map(|v| Assignment::of_variant(space, v)).collect();
    }
    let design = |(factor, level): (usize, usize)| {
        let factor = &space.design()[factor];
        (factor.name().to_owned(), LevelValue::of(factor, level))
    };
    let context = |(factor, level): (usize, usize)| {
        let factor = &space.context()[factor];
        (factor.name().to_owned(), LevelValue::of(factor, level))
    };
    let name = |column| match column {
        Column::Intercept => Vec::new(),
        Column::Context { factor, level } => vec![context((factor, level))],
        Column::Design { factor, level } => vec![design((factor, level))],
        Column::DesignPair { first, second } => vec![design(first), design(second)],
        Column::ContextPair { design: d, context: k } => vec![design(d), context(k)],
    };
    Columns::of(space).describe().into_iter().map(|column| Assignment(name(column))).collect()
}

fn packed_size(posterior: &Posterior) -> usize {
    if posterior.precision_cholesky.is_empty() { 0 } else { posterior.columns * (posterior.columns + 1) / 2 }
}

/// The lower triangle, row by row.
fn pack(posterior: &Posterior) -> Result<Vec<f64>, StoredError> {
    let (all, columns) = (&posterior.precision_cholesky, posterior.columns);
    if !all.is_empty() && all.len() != columns * columns {
        let (found, expected) = (all.len(), columns * columns);
        return Err(StoredError::Size { what: "precision_cholesky", found, expected });
    }
    let rows = all.chunks_exact(columns.max(1)).enumerate();
    Ok(rows.flat_map(|(i, row)| &row[..=i]).copied().collect())
}

fn json(what: &'static str, value: &impl serde::Serialize) -> Result<Vec<u8>, StoredError> {
    serde_json::to_vec(value).map_err(|cause| StoredError::Json { what, cause })
}

/// Tensors side by side.
#[derive(Default)]
struct Tensors {
    entries: Vec<(&'static str, Entry)>,
    data: Vec<u8>,
}

impl Tensors {
    /// All tensors of doubles of one part.
    fn add_doubles(&mut self, space: &Space, part: &Posterior, names: &Names) -> Result<(), StoredError> {
        self.doubles(names.mean, &[part.columns], &part.mean)?;
        self.doubles(names.precision_cholesky, &[packed_size(part)], &pack(part)?)?;
        let scales: Vec<f64> = part.diagnostics.scales.iter().flat_map(|p| [p.main, p.pair, p.weight]).collect();
        self.doubles(names.scales, &[scales.len() / 3, 3], &scales)?;
        let parameters = part.arms.len() / space.variants();
        self.doubles(names.arms, &[space.variants(), parameters], &part.arms)
    }

    /// Adds a tensor of doubles, if it has any.
    fn doubles(&mut self, name: &'static str, shape: &[usize], values: &[f64]) -> Result<(), StoredError> {
        if values.is_empty() {
            return Ok(());
        }
        self.push(name, Number::F64, shape, values.iter().flat_map(|x| x.to_le_bytes()))
    }

    fn push(
        &mut self,
        name: &'static str,
        dtype: Number,
        shape: &[usize],
        bytes: impl IntoIterator<Item = u8>,
    ) -> Result<(), StoredError> {
        let mut end = self.data.len();
        self.data.extend(bytes);
        let bytes = self.data.len() - end;
        let entry = Entry::at(&mut end, dtype, shape);
        if end != self.data.len() {
            let expected = shape.iter().product();
            return Err(StoredError::Size { what: name, found: bytes / dtype.size(), expected });
        }
        self.entries.push((name, entry));
        Ok(())
    }
}
