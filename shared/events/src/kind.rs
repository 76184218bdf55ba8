//! Exposures and rewards.

use serde::{Deserialize, Serialize};

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody saw a variant.
    Exposures,
    /// Somebody did something.
    Rewards,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Exposures, Self::Rewards];

    /// As it is written, in paths too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exposures => "exposures",
            Self::Rewards => "rewards",
        }
    }
}
