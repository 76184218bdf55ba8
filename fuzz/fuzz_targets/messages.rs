//! A batch of the queue, as the function that trains gets it; a message alone; and an event, as the function that compacts gets it.
#![no_main]

use fulcrum_core::domain::{CompactionTrigger, TrainingTrigger};
use fulcrum_core::queue::Batch;
use fulcrum_core::triggers::{compaction_trigger, training_trigger};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(batch) = serde_json::from_slice::<Batch>(data) {
        for message in batch.records {
            let _ = message.receives();
            check(&message.body);
        }
    }
    if let Ok(message) = std::str::from_utf8(data) {
        check(message);
    }
    if let Ok(event) = serde_json::from_slice(data)
        && let Ok(Ok(CompactionTrigger::Flush { organization })) = compaction_trigger(event, "bucket")
    {
        assert!(!organization.is_empty() && !organization.contains('/'));
    }
});

/// What a trigger names is what its key names: nothing of another organization or folder.
fn check(message: &str) {
    match training_trigger(message, "bucket") {
        Ok(Ok(TrainingTrigger::SnapshotCompleted { organization, optimization, snapshot })) => {
            assert!(!organization.is_empty() && !snapshot.is_empty());
            assert!(!organization.contains('/') && !snapshot.contains('/'));
            assert!(!optimization.to_string().is_empty());
        }
        Ok(Ok(TrainingTrigger::TrainingRequested { organization, model, key })) => {
            let from = format!("requests/{organization}/");
            let rest = key.strip_prefix(&from).expect("the key begins with the organization");
            let (id, name) = rest.split_once('/').expect("the key has three parts");
            assert!(id.eq_ignore_ascii_case(&model.to_string()) && !name.contains('/'));
        }
        Ok(Ok(TrainingTrigger::Schedule)) => {}
        Ok(Err(reason)) => assert!(!reason.is_empty()),
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
}
