//! Configurations and observations that are small and known.

use std::fmt::Write as _;

use serde_json::{Value, json};

const DAY: i64 = 86_400;
/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;

/// The body that makes a cmab of two headlines and two devices.
pub fn cmab() -> Value {
    json!({
        "model_type": "cmab",
        "training_data_config": {
            "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["desktop", "mobile"]}],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
        },
    })
}

/// The body that makes a mab of the same headlines.
pub fn mab() -> Value {
    let mut body = cmab();
    body["model_type"] = json!("mab");
    body["training_data_config"]["context_factors"] = json!([]);
    body
}

/// The body that makes a cmab of fifty variants in 16 contexts, and cells for it: a run over them takes a while.
pub fn large() -> (Value, String) {
    let levels = |n: u32| (0..n).map(|level| level.to_string()).collect::<Vec<_>>();
    let factor = |name: &str, n| json!({"name": name, "dtype": "str", "levels": levels(n)});
    let mut body = cmab();
    let config = &mut body["training_data_config"];
    config["design_factors"] = json!([factor("headline", 10), factor("image", 5)]);
    config["context_factors"] = json!([factor("country", 4), factor("hour", 4)]);
    let cell = |i: u32| {
        let cell = json!({
            "variant": {"headline": i % 10, "image": i / 10 % 5}, "context": {"country": i / 50 % 4, "hour": i / 200},
            "n": 20, "reward_sum": i % 17 % 3,
        });
        format!("{cell}\n")
    };
    (body, (0..800).map(cell).collect())
}

/// The cells of all the small data here: headline, device, exposures, rewards.
pub const CELLS: [(&str, &str, i64, i64); 4] =
    [("A", "desktop", 120, 6), ("A", "mobile", 80, 4), ("B", "desktop", 110, 22), ("B", "mobile", 90, 18)];
/// Exposures in all.
pub const EXPOSURES: i64 = 400;
/// Rewards in all.
pub const REWARDS: i64 = 50;

fn each_exposure() -> impl Iterator<Item = (usize, &'static str, &'static str, bool)> {
    let rows =
        CELLS.iter().flat_map(|&(headline, device, n, rewards)| (0..n).map(move |i| (headline, device, i < rewards)));
    rows.enumerate().map(|(user, (headline, device, converts))| (user, headline, device, converts))
}

fn moment(user: usize) -> i64 {
    START + i64::try_from(user).unwrap() * 60
}

/// As exposures and rewards, in JSON lines and CSV.
pub fn exposures_and_rewards() -> Vec<(&'static str, String)> {
    let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
    for (user, headline, device, converts) in each_exposure() {
        let row = json!({
            "anonymous_id": format!("u{user}"),
            "timestamp": moment(user),
            "variant": {"headline": headline},
            "context": {"device": device},
        });
        let _ = writeln!(exposures, "{row}");
        if converts {
            let _ = writeln!(rewards, "u{user},{},signup", moment(user) + 600);
        }
    }
    vec![("exposures/dt=2026-11-01/part-0.jsonl", exposures), ("rewards/part-0.csv", rewards)]
}

/// As exposures and rewards, with rows that do not count: of another optimization, of an unknown level, late, of another name.
pub fn with_rows_that_do_not_fit() -> Vec<(&'static str, String)> {
    let mut files = exposures_and_rewards();
    let row = |id: &str, headline: &str| json!({"anonymous_id": id, "timestamp": START, "variant": {"headline": headline}, "context": {"device": "watch"}});
    let _ = writeln!(files[0].1, "{}\n{}", row("x", "Z"), row("y", "A"));
    let _ = writeln!(files[1].1, "u0,{},signup\nu1,{},pageview", START + 3 * DAY, START + 600);
    files
}

/// As observations, in CSV.
pub fn observations() -> Vec<(&'static str, String)> {
    let mut text = "variant,context,reward\n".to_owned();
    for (_, headline, device, converts) in each_exposure() {
        let quoted = |json: Value| format!("\"{}\"", json.to_string().replace('"', "\"\""));
        let (variant, context) = (quoted(json!({"headline": headline})), quoted(json!({"device": device})));
        let _ = writeln!(text, "{variant},{context},{}", u8::from(converts));
    }
    vec![("observations/part-0.csv", text)]
}

/// As cells, in JSON lines.
pub fn cells() -> Vec<(&'static str, String)> {
    let line = |(headline, device, n, rewards): (&str, &str, i64, i64)| {
        let cell =
            json!({"variant": {"headline": headline}, "context": {"device": device}, "n": n, "reward_sum": rewards});
        format!("{cell}\n")
    };
    vec![("cells/part-0.jsonl", CELLS.into_iter().map(line).collect())]
}
