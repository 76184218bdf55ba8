//! Decoding a stored posterior.

use std::collections::BTreeMap;

use super::header::{Header, Number};
use super::{AMOUNT, FORMAT, MAIN, Names, RESERVED_KEYS, StoredError};
use crate::{Diagnostics, Link, Metrics, Policy, Posterior, Predictor, Report, ScalePoint};

/// What an object holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The posterior, with the draws that were kept.
    pub posterior: Posterior,
    /// The policy, from all draws.
    pub policy: Policy,
    /// In-sample metrics.
    pub metrics: Metrics,
    /// The state.
    pub report: Report,
    /// Every so many draws was kept.
    pub draws_stride: usize,
    /// The metadata that the writer's caller gave.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a whole object that [`super::encode`] wrote.
///
/// # Errors
/// [`StoredError`] for any other bytes. Altered numbers within tensors of doubles or single precision are not noticed.
pub fn decode(object: &[u8]) -> Result<Stored, StoredError> {
    let header = Header::parse(object)?;
    if header.object_length() != object.len() as u64 {
        return Err(StoredError::Short { needed: header.object_length(), found: object.len() });
    }
    let key = |key: &'static str| header.metadata().get(key).ok_or(StoredError::MissingKey { key });
    let unknown = |key, value: &str| StoredError::UnknownValue { key, value: value.to_owned() };
    let format = key("format")?;
    if format != FORMAT {
        return Err(unknown("format", format));
    }
    let predictor = match key("predictor")?.as_str() {
        "arms" => Predictor::Arms,
        "columns" => Predictor::Columns,
        other => return Err(unknown("predictor", other)),
    };
    let link = match (key("link")?.as_str(), doubles(&header, object, "location")?.as_slice()) {
        ("logit", []) => Link::Logit,
        ("log", []) => Link::Log,
        ("identity", &[center, scale]) => Link::Identity { center, scale },
        (other, _) => return Err(unknown("link", other)),
    };
    let stride = key("draws_stride")?;
    let draws_stride = stride.parse().ok().filter(|&k| k > 0).ok_or_else(|| unknown("draws_stride", stride))?;
    let diagnostics = json("diagnostics", key("diagnostics")?.as_bytes())?;
    let mut posterior = part(&header, object, &MAIN, (predictor, link), diagnostics)?;
    if let Some(diagnostics) = header.metadata().get("amount_diagnostics") {
        let diagnostics = json("amount_diagnostics", diagnostics.as_bytes())?;
        let amount = part(&header, object, &AMOUNT, (predictor, Link::Log), diagnostics)?;
        if amount.len() != posterior.len() {
            let (found, expected) = (amount.len(), posterior.len());
            return Err(StoredError::Size { what: "amount_draws", found, expected });
        }
        posterior.amount = Some(Box::new(amount));
    }
    let required = |name: &str| {
        header.bytes(object, name, Number::U8)?.ok_or_else(|| StoredError::MissingTensor { name: name.to_owned() })
    };
    let mut metadata = header.metadata().clone();
    metadata.retain(|key, _| !RESERVED_KEYS.contains(&key.as_str()));
    Ok(Stored {
        posterior,
        policy: Policy::from_bytes(required("policy")?)?,
        metrics: json("metrics", key("metrics")?.as_bytes())?,
        report: decode_report(required("state")?)?,
        draws_stride,
        metadata,
    })
}

/// The values of a tensor of doubles; none where there is none of that name.
fn doubles(header: &Header, object: &[u8], name: &str) -> Result<Vec<f64>, StoredError> {
    let bytes = header.bytes(object, name, Number::F64)?.unwrap_or_default();
    Ok(bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
}

/// The same in single precision.
fn singles(header: &Header, object: &[u8], name: &str) -> Result<Vec<f32>, StoredError> {
    let bytes = header.bytes(object, name, Number::F32)?.unwrap_or_default();
    Ok(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
}

/// One part of a posterior, without the amounts.
fn part(
    header: &Header,
    object: &[u8],
    names: &Names,
    (predictor, link): (Predictor, Link),
    mut diagnostics: Diagnostics,
) -> Result<Posterior, StoredError> {
    diagnostics.scales = doubles(header, object, names.scales)?
        .as_chunks::<3>()
        .0
        .iter()
        .map(|&[main, pair, weight]| ScalePoint { main, pair, weight })
        .collect();
    let mean = doubles(header, object, names.mean)?;
    let columns = mean.len();
    let draws = singles(header, object, names.draws)?;
    if draws.is_empty() {
        return Err(StoredError::MissingTensor { name: names.draws.to_owned() });
    }
    if columns == 0 || !draws.len().is_multiple_of(columns) {
        return Err(StoredError::Size { what: names.draws, found: draws.len(), expected: columns });
    }
    let (strata, count) = (singles(header, object, names.strata)?, draws.len() / columns);
    if !strata.len().is_multiple_of(count) {
        return Err(StoredError::Size { what: names.strata, found: strata.len(), expected: count });
    }
    Ok(Posterior {
        predictor,
        link,
        columns,
        draws,
        mean,
        precision_cholesky: unpack(&doubles(header, object, names.precision_cholesky)?, columns)?,
        arms: doubles(header, object, names.arms)?,
        diagnostics,
        strata,
        amount: None,
    })
}

/// The state from the bytes of the tensor `state`.
///
/// # Errors
/// [`StoredError::Json`].
pub fn decode_report(bytes: &[u8]) -> Result<Report, StoredError> {
    json("state", bytes)
}

fn json<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoredError> {
    serde_json::from_slice(bytes).map_err(|cause| StoredError::Json { what, cause })
}

/// The square matrix of a lower triangle.
fn unpack(packed: &[f64], columns: usize) -> Result<Vec<f64>, StoredError> {
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    let expected = columns * (columns + 1) / 2;
    if packed.len() != expected {
        return Err(StoredError::Size { what: "precision_cholesky", found: packed.len(), expected });
    }
    let mut square = vec![0.0; columns * columns];
    let mut rest = packed;
    for (i, row) in square.chunks_exact_mut(columns).enumerate() {
        let (values, after) = rest.split_at(i + 1);
        row[..=i].copy_from_slice(values);
        rest = after;
    }
    Ok(square)
}
