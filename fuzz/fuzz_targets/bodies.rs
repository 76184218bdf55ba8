//! The body of a request. The first byte says of which endpoint: a new `m`odel or `o`ptimization, a `p`atch, a `v`isitor,
//! e`x`posures, `r`ewards; others are a visitor too.
#![no_main]

use bandit::ModelType;
use chrono::DateTime;
use fulcrum_core::domain::events::{Exposure, Reward, split_batch};
use fulcrum_core::domain::{
    Checked, NewModel, NewOptimization, PatchOptimization, TrainingDataConfig, Visitor, context_number,
};
use fulcrum_core::http::body;
use fulcrum_core::{ApiError, Body, Request};
use fulcrum_fuzz::space;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Some((&endpoint, text)) = data.split_first() else { return };
    let request = Request::new(Body::Binary(text.to_vec()));
    let refused = match endpoint {
        b'm' => body::<NewModel>(&request).and_then(|new| check(new.model_type, new.training_data_config)),
        b'o' => body::<NewOptimization>(&request).and_then(|new| check(new.model_type, new.training_data_config)),
        b'p' => body::<PatchOptimization>(&request).map(|_| ()),
        b'x' => events(text, |event, index, line| {
            Exposure::parse(event, index, DateTime::UNIX_EPOCH)
                .is_ok_and(|event| event.write(line, ("id", index)).is_ok())
        }),
        b'r' => events(text, |event, index, line| {
            Reward::parse(event, index, DateTime::UNIX_EPOCH)
                .is_ok_and(|event| event.write(line, ("id", index)).is_ok())
        }),
        _ => body::<Visitor>(&request).map(|visitor| {
            let space = space();
            assert!(context_number(&space, &visitor.context) < space.contexts());
        }),
    };
    if let Err(error) = refused {
        assert!(matches!(error, ApiError::InvalidRequest { .. } | ApiError::PayloadTooLarge { .. }), "{error}");
        assert!(!error.to_string().is_empty());
    }
});

/// An event that is accepted is written as one line of JSON.
fn events(body: &[u8], write: impl Fn(&RawValue, usize, &mut Vec<u8>) -> bool) -> Result<(), ApiError> {
    for (index, event) in split_batch(body)?.into_iter().enumerate() {
        let mut line = Vec::new();
        if write(event, index, &mut line) {
            let line = line.strip_suffix(b"\n").expect("a line has an end");
            assert!(!line.contains(&b'\n') && serde_json::from_slice::<Value>(line).is_ok());
        }
    }
    Ok(())
}

/// A configuration that is accepted is the same when it comes back from where it was stored, and is accepted again.
fn check(model_type: ModelType, config: TrainingDataConfig) -> Result<(), ApiError> {
    let checked = Checked::new(model_type, config)?;
    let stored = serde_json::to_string(&checked.config).expect("a configuration is JSON");
    let again = serde_json::from_str(&stored).expect("its own JSON is a configuration");
    assert_eq!(Checked::new(model_type, again).expect("it was accepted before"), checked);
    assert!(checked.space.is_allowed(0) && checked.space.allowed().count() >= 2);
    Ok(())
}
