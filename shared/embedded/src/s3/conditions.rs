//! Conditional requests (RFC 9110, section 13).

use hyper::HeaderMap;
use hyper::header::{ETAG, HeaderValue, LAST_MODIFIED};
use s3s::dto::{ETag, ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};

use super::place::Current;

/// Conditions of a read.
#[derive(Debug, Default)]
pub(crate) struct ReadConditions {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_match: Option<ETagCondition>,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) unmodified_since: Option<Timestamp>,
}

/// Whether a read goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Failed,
    NotModified,
}

impl ReadConditions {
    /// Compares with the object. An `ETag` condition takes precedence over the date of the same sense.
    pub(crate) fn verdict(&self, current: &Current) -> Verdict {
        let modified = whole_seconds(&current.modified);
        let kept = match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) => strong_match(condition, &current.etag),
            (None, Some(date)) => modified <= *date,
            (None, None) => true,
        };
        if !kept {
            return Verdict::Failed;
        }
        let changed = match (&self.none_match, &self.modified_since) {
            (Some(ETagCondition::Any), _) => false,
            (Some(ETagCondition::ETag(etag)), _) => !etag.weak_cmp(&current.etag),
            (None, Some(date)) => modified > *date,
            (None, None) => true,
        };
        if changed { Verdict::Go } else { Verdict::NotModified }
    }

    /// The verdict as the answer to a GET or HEAD.
    pub(crate) fn check(&self, current: &Current) -> S3Result<()> {
        match self.verdict(current) {
            Verdict::Go => Ok(()),
            Verdict::Failed => Err(failed()),
            Verdict::NotModified => Err(not_modified(current)),
        }
    }
}

/// Conditions of a write.
#[derive(Debug, Default)]
pub(crate) struct WriteConditions {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// Refuses conditions that S3 does not have for writes.
    pub(crate) fn check_form(&self) -> S3Result<()> {
        match self.none_match {
            Some(ETagCondition::ETag(_)) => {
                Err(s3_error!(NotImplemented, "If-None-Match of a write takes \"*\" alone."))
            }
            _ => Ok(()),
        }
    }

    /// Compares with the object as it is. The caller holds the lock on names.
    pub(crate) fn check(&self, current: Option<&Current>) -> S3Result<()> {
        if self.none_match.is_some() && current.is_some() {
            return Err(failed());
        }
        match (&self.matches, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(current)) if strong_match(condition, &current.etag) => Ok(()),
            (Some(_), Some(_)) => Err(failed()),
        }
    }
}

fn strong_match(condition: &ETagCondition, etag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.strong_cmp(etag),
    }
}

/// The answer when a condition does not hold.
pub(crate) fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
}

fn not_modified(current: &Current) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = current.etag.to_http_header() {
        headers.insert(ETAG, etag);
    }
    if let Some(date) = http_date(&current.modified)
        && let Ok(date) = HeaderValue::from_str(&date)
    {
        headers.insert(LAST_MODIFIED, date);
    }
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    error
}

fn http_date(time: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

/// Dates in headers have whole seconds, files finer ones.
fn whole_seconds(time: &Timestamp) -> Timestamp {
    http_date(time)
        .and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, &text).ok())
        .unwrap_or_else(|| time.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: &str) -> Timestamp {
        Timestamp::parse(TimestampFormat::EpochSeconds, seconds).expect("a time")
    }

    fn etag(value: &str) -> ETagCondition {
        ETagCondition::ETag(ETag::Strong(value.to_owned()))
    }

    fn object() -> Current {
        Current { etag: ETag::Strong("a".to_owned()), size: 1, modified: at("1000.5") }
    }

    #[test]
    fn a_read_follows_the_precedence_of_the_conditions() {
        let verdict = |conditions: ReadConditions| conditions.verdict(&object());
        let none = ReadConditions::default;
        assert_eq!(verdict(none()), Verdict::Go);
        assert_eq!(verdict(ReadConditions { matches: Some(etag("a")), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { matches: Some(etag("b")), ..none() }), Verdict::Failed);
        assert_eq!(verdict(ReadConditions { none_match: Some(etag("a")), ..none() }), Verdict::NotModified);
        assert_eq!(verdict(ReadConditions { none_match: Some(etag("b")), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { modified_since: Some(at("1000")), ..none() }), Verdict::NotModified);
        assert_eq!(verdict(ReadConditions { modified_since: Some(at("999")), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { unmodified_since: Some(at("1000")), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { unmodified_since: Some(at("999")), ..none() }), Verdict::Failed);
        let both = ReadConditions { matches: Some(etag("a")), unmodified_since: Some(at("999")), ..none() };
        assert_eq!(verdict(both), Verdict::Go);
        let both = ReadConditions { none_match: Some(etag("b")), modified_since: Some(at("1000")), ..none() };
        assert_eq!(verdict(both), Verdict::Go);
    }

    #[test]
    fn a_write_needs_what_it_names() {
        let code = |conditions: WriteConditions, current: Option<&Current>| {
            conditions.check(current).err().map(|error| error.code().as_str().to_owned())
        };
        let create = || WriteConditions { matches: None, none_match: Some(ETagCondition::Any) };
        let replace = |value| WriteConditions { matches: Some(etag(value)), none_match: None };
        assert_eq!(code(create(), None), None);
        assert_eq!(code(create(), Some(&object())).as_deref(), Some("PreconditionFailed"));
        assert_eq!(code(replace("a"), Some(&object())), None);
        assert_eq!(code(replace("b"), Some(&object())).as_deref(), Some("PreconditionFailed"));
        assert_eq!(code(replace("a"), None).as_deref(), Some("NoSuchKey"));
        assert!(WriteConditions { matches: None, none_match: Some(etag("a")) }.check_form().is_err());
    }
}
