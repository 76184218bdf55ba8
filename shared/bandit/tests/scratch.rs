mod common;
use bandit::*;
use common::*;
#[test]
fn scratch() {
    let case = reference(include_str!("data/d_sparse.json"));
    let prior = Prior { main_scale: 0.5, pair_scale: 0.25, fixed: true };
    let cells: Vec<(usize, u64)> = case.expected.iter().map(|e| (e.variant, e.context)).collect();
    let k = 24;
    let mut acc = vec![vec![]; k];
    for seed in 0..12 {
        let p = fit(
            &case.space,
            &case.table,
            &settings(ModelType::Cmab, RewardType::Bool, prior),
            &Seed::derive(&[&seed.to_string()]),
        )
        .unwrap();
        for (i, eta) in locations(&p, &case.space, &cells).iter().enumerate() {
            let s = summary(&eta.iter().map(|&e| sigmoid(e)).collect::<Vec<_>>());
            let e = &case.expected[i];
            acc[i].push([
                (s.mean - e.mean) / e.sd,
                s.sd / e.sd - 1.0,
                (s.low - e.low) / e.sd,
                (s.high - e.high) / e.sd,
            ]);
        }
    }
    for a in &acc {
        let n = a.len() as f64;
        let mut line = String::new();
        for j in 0..4 {
            let m = a.iter().map(|x| x[j]).sum::<f64>() / n;
            let v = (a.iter().map(|x| (x[j] - m).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            line += &format!("{m:+.4}±{v:.4}  ");
        }
        eprintln!("{line}");
    }
}
