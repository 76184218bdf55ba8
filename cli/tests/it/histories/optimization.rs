//! What an optimization is to its clients, one operation after another: what every history has to be explained by.

use std::collections::{BTreeMap, BTreeSet};

use todc_utils::specifications::Specification;

/// A model, in the order in which a history came to know them; the first one is there at the beginning.
pub type ModelNumber = usize;

/// An operation with what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The model was read: whether it is archived, and the version in force.
    ReadModel {
        model: ModelNumber,
        archived: bool,
        version: u64,
    },
    /// The optimization was read.
    ReadOptimization {
        name: String,
        completed: bool,
        model: Option<ModelNumber>,
    },
    /// A variant was served by this version; or there is no model.
    Served(Option<(ModelNumber, u64)>),
    /// A run put a version in force.
    Trained {
        model: ModelNumber,
        version: u64,
    },
    /// The version that another run put in force was the answer.
    Joined {
        model: ModelNumber,
        version: u64,
    },
    /// A version is in force again.
    RolledBack {
        model: ModelNumber,
        version: u64,
    },
    /// There is no such version.
    NoVersion {
        model: ModelNumber,
        version: u64,
    },
    /// The model is archived, which is why nothing was done.
    IsArchived {
        model: ModelNumber,
    },
    /// The optimization is completed, which is why nothing was done.
    IsCompleted,
    Renamed(String),
    Completed(bool),
    Deleted {
        model: ModelNumber,
    },
    Made {
        model: ModelNumber,
    },
    /// There is a model, which is why none was made.
    HasModel,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Model {
    archived: bool,
    in_force: u64,
    versions: BTreeSet<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    completed: bool,
    model: Option<ModelNumber>,
    models: BTreeMap<ModelNumber, Model>,
}

/// The name at the beginning.
pub const NAME: &str = "0";

/// An optimization's status, its models and their versions.
pub struct Optimization;

/// An optimization's name. That nothing else depends on it keeps the search for an order short.
pub struct Name;

impl Specification for Name {
    type State = String;
    type Operation = Done;

    fn init() -> String {
        NAME.to_owned()
    }

    fn apply(done: &Done, state: &String) -> (bool, String) {
        match done {
            Done::Renamed(name) => (true, name.clone()),
            Done::ReadOptimization { name, .. } => (name == state, state.clone()),
            _ => (true, state.clone()),
        }
    }
}

impl Specification for Optimization {
    type State = State;
    type Operation = Done;

    fn init() -> State {
        let models = BTreeMap::from([(0, Model::default())]);
        State { completed: false, model: Some(0), models }
    }

    fn apply(done: &Done, state: &State) -> (bool, State) {
        let mut next = state.clone();
        (next.does(done), next)
    }
}

impl State {
    /// Does an operation, if its answer is the right one in this state.
    fn does(&mut self, done: &Done) -> bool {
        match done {
            Done::ReadModel { model, archived, version } => {
                self.models.get(model).is_some_and(|m| (m.archived, m.in_force) == (*archived, *version))
            }
            Done::ReadOptimization { completed, model, .. } => (self.completed, self.model) == (*completed, *model),
            Done::Served(served) => {
                self.model.and_then(|model| Some((model, self.models.get(&model)?.in_force))) == *served
            }
            Done::Trained { model, version } => {
                let may = !self.completed;
                self.active(*model, |model| {
                    // Versions count up; a run that was refused in the end may have used one up.
                    let last = model.versions.last().copied().unwrap_or_default();
                    model.versions.insert(*version);
                    model.in_force = *version;
                    may && *version > last
                })
            }
            Done::Joined { model, version } => self.models.get(model).is_some_and(|m| m.in_force == *version),
            Done::RolledBack { model, version } => self.active(*model, |model| {
                model.in_force = *version;
                model.versions.contains(version)
            }),
            Done::NoVersion { model, version } => {
                self.models.get(model).is_some_and(|m| !m.archived && !m.versions.contains(version))
            }
            Done::IsArchived { model } => self.models.get(model).is_some_and(|model| model.archived),
            Done::IsCompleted => self.completed,
            // Its name has nothing to do with all of this.
            Done::Renamed(_) => true,
            Done::Completed(completed) => {
                self.completed = *completed;
                true
            }
            Done::Deleted { model } => {
                if self.model == Some(*model) {
                    self.model = None;
                }
                let found = self.models.get_mut(model);
                found.is_some_and(|model| {
                    model.archived = true;
                    true
                })
            }
            Done::Made { model } => {
                let fresh = self.models.insert(*model, Model::default()).is_none();
                self.model.replace(*model).is_none() && fresh
            }
            Done::HasModel => self.model.is_some(),
        }
    }

    fn active(&mut self, model: ModelNumber, change: impl FnOnce(&mut Model) -> bool) -> bool {
        self.models.get_mut(&model).is_some_and(|model| !model.archived && change(model))
    }
}
