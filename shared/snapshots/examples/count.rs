//! Counts a snapshot folder: `count FOLDER SPEC.json [THREADS]`, where the specification has `design` and `context` (factor → levels, in order), `reward`
//! (`bool` or `numeric`), `reward_name`, `optimization_id`, and optionally `window_hours`, `attribution` and `immature`.
//! Prints the cells as `[variant, context, n, sum, sum_sq]`, the report, and the seconds it took on stderr.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bandit::{Dtype, Factor, RewardType, Space};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use snapshots::{Attribution, Immature, Limits, Object, Plan, Source, SourceError, count};

#[derive(Deserialize)]
struct Spec {
    design: Map<String, Value>,
    #[serde(default)]
    context: Map<String, Value>,
    reward: RewardType,
    reward_name: String,
    optimization_id: String,
    #[serde(default = "day")]
    window_hours: u32,
    #[serde(default = "last_touch")]
    attribution: Attribution,
    #[serde(default)]
    immature: Immature,
}

fn day() -> u32 {
    24
}

fn last_touch() -> Attribution {
    Attribution::LastTouch
}

struct Folder(PathBuf);

impl Source for Folder {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let read = || -> io::Result<Bytes> {
            let mut file = File::open(self.0.join(key))?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end - range.start).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|error| SourceError::Failed(Box::new(error)))
    }
}

fn objects(folder: &Path, prefix: &str, found: &mut Vec<Object>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            objects(&entry.path(), &format!("{key}/"), found)?;
        } else {
            found.push(Object { key, size: entry.metadata()?.len() });
        }
    }
    Ok(())
}

fn factors(of: &Map<String, Value>) -> Result<Vec<Factor>, Box<dyn Error>> {
    let mut factors = Vec::new();
    for (name, levels) in of {
        let levels: Vec<String> = serde_json::from_value(levels.clone())?;
        factors.push(Factor::new(name, Dtype::Str, levels)?);
    }
    Ok(factors)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, spec, threads @ ..] = arguments.as_slice() else {
        return Err("usage: count FOLDER SPEC.json [THREADS]".into());
    };
    let spec: Spec = serde_json::from_slice(&fs::read(spec)?)?;
    let space = Space::new(factors(&spec.design)?, factors(&spec.context)?)?;
    let plan = Plan {
        space: &space,
        optimization_id: &spec.optimization_id,
        reward_name: &spec.reward_name,
        outcomes: None,
        guardrails: None,
        reward: spec.reward,
        attribution: spec.attribution,
        window_hours: spec.window_hours,
        immature: spec.immature,
        allow_no_rewards: false,
        threads: threads.first().map_or(Ok(2), |n| n.parse())?,
        now: i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?,
        limits: Limits::default(),
    };
    let mut found = Vec::new();
    objects(Path::new(folder), "", &mut found)?;
    let start = Instant::now();
    let counted = count(&Folder(folder.into()), &found, &plan)?;
    eprintln!("{:.3} s", start.elapsed().as_secs_f64());
    let level = |factors: &[Factor], levels: Vec<usize>| -> Map<String, Value> {
        let known = |(f, l): (&Factor, usize)| f.levels().get(l).map(|text| (f.name().to_owned(), json!(text)));
        factors.iter().zip(levels).filter_map(known).collect()
    };
    let rows: Vec<Value> = counted
        .cells
        .cells()
        .iter()
        .map(|c| {
            let variant = level(space.design(), space.decode_variant(c.variant));
            let context = level(space.context(), space.decode_context(c.context));
            json!([variant, context, c.n, c.sum, c.sum_sq])
        })
        .collect();
    println!("{}", json!({ "cells": rows, "observations": counted.observations }));
    Ok(())
}
