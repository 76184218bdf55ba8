use bandit::*;
use rand::{RngExt, SeedableRng};
fn factor(name: &str, levels: usize) -> Factor {
    Factor::new(name, Dtype::Str, (0..levels).map(|i| i.to_string()).collect()).unwrap()
}
pub fn space(design: &[usize], context: &[usize]) -> Space {
    let f = |p: &str, l: &[usize]| l.iter().enumerate().map(|(i, &l)| factor(&format!("{p}{i}"), l)).collect::<Vec<_>>();
    Space::new(f("d", design), f("c", context)).unwrap()
}
fn normal(r: &mut rand_chacha::ChaCha8Rng) -> f64 { r.sample(rand_distr::StandardNormal) }
pub fn simulate(space: &Space, n: u64, base: f64, tm: f64, tp: f64, seed: u64) -> CellTable {
    let mut r = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let c = Columns::of(space);
    let beta: Vec<f64> = (0..c.len()).map(|j| if j == 0 { base } else if c.main_effects().contains(&j) { tm * normal(&mut r) } else { tp * normal(&mut r) }).collect();
    let total = space.variants() as u64 * space.contexts();
    let known: Vec<u64> = (0..space.contexts()).filter(|&k| space.decode_context(k).iter().zip(space.context()).all(|(l, f)| *l < f.levels().len())).collect();
    let _ = total;
    let mut counts = std::collections::HashMap::<(u64, usize), u64>::new();
    if n < 20 * (known.len() * space.variants()) as u64 { for _ in 0..n { *counts.entry((known[r.random_range(0..known.len())], r.random_range(0..space.variants()))).or_default() += 1; } }
    let share = n as f64 / (known.len() * space.variants()) as f64;
    let mut cells = vec![];
    for &k in &known { for v in 0..space.variants() {
        let a = c.active(&space.decode_variant(v), &space.decode_context(k));
        let eta: f64 = a.iter().map(|&j| beta[j]).sum();
        let p = 1.0/(1.0+(-eta).exp());
        let m = if counts.is_empty() { (share + share.sqrt()*normal(&mut r)).round().max(0.0) as u64 } else { counts.get(&(k, v)).copied().unwrap_or(0) }; if m == 0 { continue; }
        let s = if m < 5000 { (0..m).filter(|_| r.random::<f64>() < p).count() as f64 } else { (m as f64*p + (m as f64*p*(1.0-p)).sqrt()*normal(&mut r)).round() };
        cells.push(Cell{variant:v, context:k, n:m, sum:s, sum_sq:s});
    }}
    CellTable::new(cells).unwrap()
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let only = args.get(1).cloned().unwrap_or_default();
    let small = space(&[3, 2], &[2, 2]);
    let mid = space(&[5, 4], &[3, 4]); // replaced below
    let _ = mid;
    let s104 = space(&[5, 4], &[4, 3]);
    eprintln!("columns {} {}", small.columns(), s104.columns());
    let cases: Vec<(&str, Space, u64, f64)> = vec![
        ("small400", small.clone(), 400, -4.0),
        ("small0", small.clone(), 300, -12.0),
        ("small5k", small.clone(), 5000, -3.5),
        ("small1m", small.clone(), 1_000_000, -3.5),
        ("s104_1k", s104.clone(), 1000, -3.0),
        ("s104_1kb", s104.clone(), 1000, -1.0),
        ("s104_5k", s104.clone(), 5000, -3.0),
        ("s104_5kb", s104.clone(), 5000, -1.0),
        ("s104_50k", s104.clone(), 50000, -3.0),
        ("s104_1m", s104.clone(), 1_000_000, -3.0),
        ("s104_0", s104.clone(), 1000, -14.0),
        ("p500_20k", space(&[8, 6, 5], &[5, 5]), 20_000, -3.0),
        ("p2000_50k", space(&[12, 10, 10, 4], &[8, 8, 6]), 50_000, -3.0),
        ("p2000_1m", space(&[12, 10, 10, 4], &[8, 8, 6]), 1_000_000, -3.0),
    ];
    for (name, space, n, base) in cases {
        if !name.starts_with(&only) { continue; }
        for fixed in [true, false] {
        let t = simulate(&space, n, base, 0.5, 0.25, 7);
        let prior = Prior { fixed, ..Prior::default() };
        let now = std::time::Instant::now();
        let f = fit(&space, &t, &Settings { model_type: ModelType::Cmab, reward: RewardType::Bool, prior, exploration: 1.0 }, &Seed::derive(&["x"]));
        let el = now.elapsed();
        match f { Ok(p) => { let d = p.diagnostics; let m: f64 = d.scales.iter().map(|p| p.weight*p.main).sum(); let q: f64 = d.scales.iter().map(|p| p.weight*p.pair).sum();
            println!("{name} fixed {fixed} P {} cells {} conv {}: {:?} {:?} k {:?} ess {:?} rhat {:?} div {:?} tau {m:.3} {q:.3} points {}", space.columns(), t.cells().len(), t.reward_sum(), el, d.step, d.pareto_k, d.effective_draws, d.r_hat, d.divergences, d.scales.len()) }
            Err(e) => println!("{name} fixed {fixed} P {} cells {}: {:?} {e}", space.columns(), t.cells().len(), el) }
        }
    }
}
