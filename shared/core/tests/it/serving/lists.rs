//! Lists and reports, page by page: what they hold, what they cost, and how long an answer gets.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use fulcrum_core::domain::{Optimization, OptimizationStatus, PatchOptimization, Status};
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::store::{ListOptions, ListOrder, Page};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, config, mab};

/// Which pages of a list are asked for.
#[derive(Clone, Copy)]
struct Asked {
    include_archived: bool,
    limit: Option<usize>,
    max_bytes: usize,
}

const ALL: Asked = Asked { include_archived: false, limit: None, max_bytes: usize::MAX };

/// All items of a list, by pages; and how many pages there were.
async fn all<T>(page: impl AsyncFn(&ListOptions<'_>) -> Page<T>, asked: Asked) -> (Vec<T>, usize) {
    let Asked { include_archived, limit, max_bytes } = asked;
    let (mut items, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let options = ListOptions { include_archived, limit, cursor: cursor.as_deref(), max_bytes };
        let page = page(&options).await;
        assert!(limit.is_none_or(|limit| page.items.len() <= limit));
        (items, pages) = (items.into_iter().chain(page.items).collect(), pages + 1);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return (items, pages),
        }
    }
}

/// A body for a model whose configuration takes some 50 kB.
fn large() -> Value {
    let levels: Vec<String> = (0..50).map(|n| format!("{n:02}{}", "x".repeat(254))).collect();
    let mut config = config(&json!([["headline", levels]]), &json!([]));
    let excluded = levels[1..41].iter().flat_map(|level| (0..4).map(move |_| json!({"headline": level})));
    config["excluded_combinations"] = excluded.collect();
    json!({"name": "n", "model_type": "mab", "training_data_config": config})
}

#[tokio::test]
async fn optimizations_made_at_one_time_come_in_pages() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        stage.clock.advance(TimeDelta::seconds(n % 2));
        ids.push(stage.create(mab(&["a", "b"])).await.optimization.id);
    }
    let list = async |asked| {
        let page = async |options: &ListOptions<'_>| {
            stage.app.optimizations(ORGANIZATION, ListOrder::UpdatedAt, options).await.unwrap()
        };
        let (items, pages) = all(page, asked).await;
        assert!(items.iter().all(|item| item.model_status == Some(Status::Untrained)));
        (items.iter().map(|item| item.optimization.id).collect::<Vec<_>>(), pages)
    };
    let (whole, pages) = list(ALL).await;
    assert_eq!((whole.len(), pages), (7, 1));
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    ids.sort_unstable();
    assert_eq!(sorted, ids);
    assert_eq!(list(Asked { limit: Some(3), ..ALL }).await, (whole.clone(), 3));
    assert_eq!(list(Asked { max_bytes: 1, ..ALL }).await, (whole, 7));
}

#[tokio::test]
async fn a_list_of_optimizations_is_sent_no_configuration() {
    let stage = Stage::new().await;
    let bytes = async || {
        let (app, bytes) = stage.counted();
        app.optimizations(ORGANIZATION, ListOrder::UpdatedAt, &ListOptions::ALL).await.unwrap();
        bytes.load(Ordering::Relaxed)
    };
    stage.create(mab(&["a", "b"])).await;
    let before = bytes().await;
    for _ in 0..3 {
        stage.create(large()).await;
    }
    // Of each a record and a status.
    let more = bytes().await - before;
    assert!((3 * 200..3 * 2_000).contains(&more), "{more} bytes");
}

#[tokio::test]
async fn deleted_models_cost_later_lists_nothing() {
    let stage = Stage::new().await;
    let cost = async |include_archived| {
        let (app, bytes) = stage.counted();
        let calls = StorageCalls::default();
        let options = ListOptions { include_archived, ..ListOptions::ALL };
        let page = calls.count(app.table.models(ORGANIZATION, &options)).await.unwrap();
        (page.items.len(), calls.total(), bytes.load(Ordering::Relaxed))
    };
    let kept = stage.create(mab(&["a", "b"])).await.optimization;
    let before = cost(false).await;
    assert_eq!((before.0, before.1), (1, 1));
    // More than the megabyte that the store reads for one answer, whatever it leaves out of it.
    for _ in 0..22 {
        let deleted = stage.create(large()).await.optimization.model_id.unwrap();
        stage.app.delete_model(ORGANIZATION, deleted).await.unwrap();
    }
    assert_eq!(cost(false).await, before);
    let with_archived = cost(true).await;
    assert!(with_archived.0 == 23 && with_archived.1 >= 3 && with_archived.2 > 1_000_000, "{with_archived:?}");
    assert_eq!(stage.app.model(ORGANIZATION, kept.model_id.unwrap()).await.unwrap().id, kept.model_id.unwrap());
}

#[tokio::test]
async fn archived_optimizations_cost_later_lists_nothing() {
    let stage = Stage::new().await;
    let cost = async |order, include_archived| {
        let (app, bytes) = stage.counted();
        let calls = StorageCalls::default();
        let options = ListOptions { include_archived, ..ListOptions::ALL };
        let page = calls.count(app.table.optimizations(ORGANIZATION, order, &options)).await.unwrap();
        (page.items.len(), calls.total(), bytes.load(Ordering::Relaxed))
    };
    let orders = [ListOrder::UpdatedAt, ListOrder::CreatedAt];
    let patch = |name: Option<&str>, status| PatchOptimization { name: name.map(str::to_owned), status };
    let change = async |id, patch| {
        stage.app.update_optimization(ORGANIZATION, id, patch).await.unwrap();
    };
    let archived = Some(OptimizationStatus::Archived);
    let kept = stage.create(mab(&["a", "b"])).await.optimization;
    let mut before = Vec::new();
    for order in orders {
        before.push(cost(order, false).await);
        assert_eq!(before[before.len() - 1].1, 1, "one call");
    }
    let mut ids = Vec::new();
    for n in 0..12 {
        stage.clock.advance(TimeDelta::seconds(1));
        let made = stage.create(mab(&["a", "b"])).await.optimization;
        ids.push(made.id);
        change(made.id, patch(None, archived)).await;
        // Whatever else happens to one that is archived, it stays where it is.
        match n % 4 {
            0 => change(made.id, patch(Some("renamed"), None)).await,
            1 => stage.app.delete_model(ORGANIZATION, made.model_id.unwrap()).await.unwrap(),
            2 => {
                stage.app.delete_model(ORGANIZATION, made.model_id.unwrap()).await.unwrap();
                let mut new = mab(&["a", "b"]);
                new.as_object_mut().unwrap().remove("name");
                new["optimization_id"] = json!(made.id);
                stage.app.create_model(ORGANIZATION, serde_json::from_value(new).unwrap()).await.unwrap();
            }
            _ => {}
        }
    }
    for (order, before) in orders.into_iter().zip(&before) {
        assert_eq!(cost(order, false).await, *before, "{order:?}");
        let with_archived = cost(order, true).await;
        assert!(with_archived.0 == 13 && with_archived.2 > before.2 + 12 * 200, "{with_archived:?}");
    }
    // Together they are one list, in pages of any size.
    for order in orders {
        let list = async |asked| {
            let page = async |options: &ListOptions<'_>| {
                stage.app.table.optimizations(ORGANIZATION, order, options).await.unwrap()
            };
            all(page, asked).await.0.iter().map(|found: &Optimization| found.id).collect::<Vec<Uuid>>()
        };
        let whole = list(Asked { include_archived: true, ..ALL }).await;
        assert_eq!((whole.len(), whole[12]), (13, kept.id), "{order:?}");
        for limit in 1..=4 {
            assert_eq!(list(Asked { include_archived: true, limit: Some(limit), ..ALL }).await, whole, "{order:?}");
        }
    }
    // And one that goes live again is among the others.
    change(ids[5], patch(None, Some(OptimizationStatus::Live))).await;
    for order in orders {
        assert_eq!(cost(order, false).await.0, 2, "{order:?}");
    }
}

#[tokio::test]
async fn archived_models_and_others_are_one_list_where_both_are_asked_for() {
    let stage = Stage::new().await;
    let mut newest_first = Vec::new();
    for n in 0..8 {
        stage.clock.advance(TimeDelta::seconds(i64::from(n % 3 != 0)));
        let model = stage.create(mab(&["a", "b"])).await.optimization.model_id.unwrap();
        if n % 2 == 0 {
            stage.app.delete_model(ORGANIZATION, model).await.unwrap();
        }
        newest_first.push(model);
    }
    let list = async |asked| {
        let page = async |options: &ListOptions<'_>| stage.app.table.models(ORGANIZATION, options).await.unwrap();
        let models = all(page, asked).await.0;
        assert!(models.is_sorted_by_key(|model| std::cmp::Reverse((model.updated_at, model.id.to_string()))));
        models.iter().map(|model| model.id).collect::<Vec<Uuid>>()
    };
    let whole = list(Asked { include_archived: true, ..ALL }).await;
    for limit in 1..=9 {
        assert_eq!(list(Asked { include_archived: true, limit: Some(limit), ..ALL }).await, whole, "{limit}");
        let active: Vec<Uuid> =
            whole.iter().copied().filter(|id| newest_first.iter().position(|m| m == id).unwrap() % 2 == 1).collect();
        assert_eq!(list(Asked { limit: Some(limit), ..ALL }).await, active, "{limit}");
    }
    let (mut one, mut other) = (whole, newest_first);
    one.sort_unstable();
    other.sort_unstable();
    assert_eq!(one, other);
}

#[tokio::test]
async fn versions_come_in_pages() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let model = made.model_id.unwrap();
    let cell = |headline: &str| json!({"variant": {"headline": headline}, "n": 100, "reward_sum": 10});
    stage.snapshot(made.id, "1", &[cell("a"), cell("b")]).await;
    for _ in 0..4 {
        stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    }
    let versions = async |asked| {
        let page = async |options: &ListOptions<'_>| {
            let (model, page, _) = stage.app.posteriors(ORGANIZATION, model, options).await.unwrap();
            assert_eq!(model.posterior.map(|posterior| posterior.posterior_version), Some(4));
            page
        };
        let (items, pages) = all(page, asked).await;
        (items.iter().map(|item| item.posterior_version).collect::<Vec<_>>(), pages)
    };
    assert_eq!(versions(ALL).await, (vec![4, 3, 2, 1], 1));
    assert_eq!(versions(Asked { limit: Some(3), ..ALL }).await, (vec![4, 3, 2, 1], 2));
    assert_eq!(versions(Asked { max_bytes: 1, ..ALL }).await, (vec![4, 3, 2, 1], 4));
}

#[tokio::test]
async fn a_large_state_comes_in_pages_that_fit_an_answer() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..40).map(|n| format!("{n}\"{}", "l".repeat(100))).collect();
    let config = config(&json!([["headline", ["a", "b"]]]), &json!([["device", levels]]));
    let made =
        stage.create(json!({"name": "n", "model_type": "cmab", "training_data_config": config})).await.optimization;
    let model = made.model_id.unwrap();
    let cells: Vec<Value> = levels
        .iter()
        .flat_map(|level| {
            ["a", "b"].map(|headline| {
                json!({"variant": {"headline": headline}, "context": {"device": level}, "n": 100, "reward_sum": 10})
            })
        })
        .collect();
    stage.snapshot(made.id, "1", &cells).await;
    stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    let whole = stage.state(model).await.unwrap();
    let lists = ["variants", "contexts", "factors", "interactions"];
    assert_eq!(whole["contexts"].as_array().unwrap().len(), 40);
    // As it travels to the gateway, inside JSON.
    let travels =
        |state: &Map<String, Value>| serde_json::to_string(&serde_json::to_string(state).unwrap()).unwrap().len();
    let half = travels(&whole) / 2;
    for (max_bytes, limit) in [(usize::MAX, Some(7)), (half, None), (1, None)] {
        let (mut pages, mut cursor) = (Vec::<Map<String, Value>>::new(), None::<String>);
        loop {
            let options = ListOptions { include_archived: false, limit, cursor: cursor.as_deref(), max_bytes };
            let (page, next) = stage.app.model_state(ORGANIZATION, model, &options).await.unwrap();
            // A page has one entry, however large it is.
            let entries: usize = lists.iter().map(|list| page[*list].as_array().unwrap().len()).sum();
            let fits = travels(&page) <= max_bytes.saturating_add(2);
            assert!(fits || entries == 1, "{entries} entries in {} bytes", travels(&page));
            pages.push(page);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert!(pages.len() > 1);
        let mut together = pages.remove(0);
        for page in pages {
            for (field, value) in page {
                match (together.get_mut(&field).unwrap(), value) {
                    (Value::Array(entries), Value::Array(more)) if lists.contains(&field.as_str()) => {
                        entries.extend(more);
                    }
                    (value, again) => assert_eq!(*value, again, "{field}"),
                }
            }
        }
        assert_eq!(together, whole);
    }
    // A page of a version that is not in force is none.
    let of_another = ListOptions { cursor: Some("2.7"), ..ListOptions::ALL };
    let error = stage.app.model_state(ORGANIZATION, model, &of_another).await.unwrap_err();
    assert_eq!(error.code(), "invalid_request");
    assert!(error.message().contains("version 1 is in force now"), "{}", error.message());
}

#[tokio::test]
async fn the_variants_of_an_untrained_model_come_in_pages() {
    let stage = Stage::new().await;
    let model = stage.create(large()).await.optimization.model_id.unwrap();
    let (mut indices, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let options = ListOptions { cursor: cursor.as_deref(), max_bytes: 10_000, ..ListOptions::ALL };
        let (page, next) = stage.app.model_state(ORGANIZATION, model, &options).await.unwrap();
        indices.extend(page["variants"].as_array().unwrap().iter().map(|variant| variant["index"].as_u64().unwrap()));
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(indices, (0..50).collect::<Vec<u64>>());
}
