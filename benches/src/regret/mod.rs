//! Online simulation: what does learning cost, and what would other ways have cost?
//!
//! Users come one by one from contexts; a policy serves each a variant by the compiled table and the users' hash, as the
//! service does; after every batch it is trained on all cells so far. Regret is counted in expected conversions. Every
//! policy meets the same world and the same users, so that differences between policies are paired.

mod policy;
mod results;
mod simulate;
mod table;
mod world;

use std::path::Path;

pub use policy::{CONTENDERS, UNIFORM};
pub use results::{Run, read};
pub use simulate::Schedule;
pub use table::{detailed, lines, markdown, trade_off};
pub use world::{Truth, WORLDS, World};

use crate::error::Error;
use crate::pool;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of worlds; all where there is none.
    pub worlds: Vec<String>,
    /// Names of policies, all where there is none; uniform serving is always added.
    pub policies: Vec<String>,
    /// Seeds `first..first + seeds`.
    pub first: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Rounds and trainings.
    pub schedule: Schedule,
    /// Threads.
    pub threads: usize,
}

/// The file that runs of so many rounds are kept in.
#[must_use]
pub fn results_file(rounds: usize) -> String {
    format!("regret-{rounds}.csv")
}

/// Simulates what is not in the file of results yet, keeps each run there as it ends, and prints the tables.
///
/// # Errors
/// [`Error`].
pub fn run(options: &Options, folder: &Path) -> Result<(), Error> {
    let path = folder.join(results_file(options.schedule.rounds));
    let mut runs = results::read(&path)?;
    let worlds = chosen("world", &options.worlds, &WORLDS, |w| w.name)?;
    let policies = chosen("policy", &options.policies, &CONTENDERS, |c| c.name)?;
    let mut jobs = Vec::new();
    for &world in &worlds {
        for seed in options.first..options.first + options.seeds {
            for contender in &CONTENDERS {
                let wanted = contender.name == UNIFORM || policies.iter().any(|p| p.name == contender.name);
                let there = |r: &Run| r.world == world.name && r.seed == seed && r.policy == contender.name;
                if wanted && !runs.iter().any(there) {
                    jobs.push((world, seed, contender));
                }
            }
        }
    }
    println!("{} runs are there, {} to do", runs.len(), jobs.len());
    pool::run(
        jobs.len(),
        options.threads,
        |i| {
            let (world, seed, contender) = jobs[i];
            let truth = Truth::draw(world, options.schedule.rounds, seed)?;
            simulate::simulate(world, contender, &truth, &options.schedule, seed)
        },
        |_, run| {
            runs.push(run);
            results::write(&path, &mut runs, order)
        },
    )?;
    println!("{}\n{}\n{}", detailed(&runs), markdown(&runs), trade_off(&runs));
    Ok(())
}

/// Place of a world's or a policy's name in its list.
fn order(name: &str) -> usize {
    let world = WORLDS.iter().position(|w| w.name == name);
    world.or_else(|| CONTENDERS.iter().position(|c| c.name == name)).unwrap_or(usize::MAX)
}

/// Those of the names; all where no name is given.
fn chosen<'a, T>(
    what: &'static str,
    names: &[String],
    all: &'a [T],
    name_of: impl Fn(&T) -> &'static str,
) -> Result<Vec<&'a T>, Error> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            let known = || all.iter().map(&name_of).collect::<Vec<_>>().join(", ");
            let found = all.iter().find(|one| name_of(one) == name);
            found.ok_or_else(|| Error::Unknown { what, name: name.clone(), known: known() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_chosen_by_name_and_all_by_none() {
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen("world", &names, &WORLDS, |w| w.name).map(|worlds| worlds.iter().map(|w| w.name).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[]).unwrap().len(), 10);
        assert_eq!(chosen(&["weak", "full"]).unwrap(), ["weak", "full"]);
        assert!(matches!(chosen(&["flat"]), Err(Error::Unknown { what: "world", .. })));
    }
}
