//! Levels that no factor has, and factors that are missing: which, and how often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bandit::{Factor, Space};
use icu_normalizer::ComposingNormalizerBorrowed;

use crate::report::cut;

/// Distinct texts, and distinct sets of levels, that are told apart; further ones are counted together.
const TOLD_APART: usize = 1 << 14;

/// The factors of a variant or of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    Design,
    Context,
}

impl Side {
    pub(crate) fn factors(self, space: &Space) -> &[Factor] {
        match self {
            Self::Design => space.design(),
            Self::Context => space.context(),
        }
    }
}

/// A text that was met, by its number; 0 for those that are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TextId(u32);

/// Why a row's variant or context is not known, by its number; 0 for reasons that are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CauseId(u32);

impl CauseId {
    pub(crate) const NONE: Self = Self(0);
}

/// What a factor is in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Found {
    Missing,
    Unknown(TextId),
    Known(usize),
}

/// The levels of a row, one for each factor, and last the name of a factor that is none of these.
type Levels = Box<[Found]>;

#[derive(Debug, Default)]
struct Met {
    texts: HashMap<Box<str>, u32>,
    text_list: Vec<Box<str>>,
    causes: HashMap<(Side, Levels), u32>,
    cause_list: Vec<(Side, Levels)>,
}

/// What was met in one pass, by all of its threads.
#[derive(Debug, Default)]
pub(crate) struct Unknowns(Mutex<Met>);

/// A level that no factor has, or a factor that is missing, and how many rows have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownLevel {
    pub(crate) side: Side,
    /// The factor, or a name that is none of a factor.
    pub(crate) factor: String,
    /// What is there, cut; `None` where nothing is.
    pub(crate) value: Option<String>,
    /// The name is that of no factor.
    pub(crate) is_foreign: bool,
    pub(crate) rows: u64,
    /// The level that it nearly is.
    pub(crate) near: Option<String>,
}

impl Unknowns {
    fn met(&self) -> MutexGuard<'_, Met> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn text(&self, text: &str) -> TextId {
        let shown = cut(text);
        let mut met = self.met();
        if let Some(&known) = met.texts.get(shown.as_str()) {
            return TextId(known);
        }
        let number = met.text_list.len() + 1;
        let Some(number) = u32::try_from(number).ok().filter(|_| number <= TOLD_APART) else { return TextId(0) };
        met.texts.insert(shown.as_str().into(), number);
        met.text_list.push(shown.into());
        TextId(number)
    }

    pub(crate) fn cause(&self, side: Side, levels: &[Found]) -> CauseId {
        let mut met = self.met();
        let key = (side, Levels::from(levels));
        if let Some(&known) = met.causes.get(&key) {
            return CauseId(known);
        }
        let number = met.cause_list.len() + 1;
        let Some(number) = u32::try_from(number).ok().filter(|_| number <= TOLD_APART) else { return CauseId(0) };
        met.causes.insert(key.clone(), number);
        met.cause_list.push(key);
        CauseId(number)
    }

    /// What a text was; `None` where it was not told apart.
    pub(crate) fn shown(&self, id: TextId) -> Option<String> {
        let number = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.met().text_list.get(number).map(|text| text.to_string())
    }

    /// The factors that a cause is about: those that are not known, with what is there.
    fn factors(&self, cause: CauseId, space: &Space) -> Vec<UnknownLevel> {
        let found = usize::try_from(cause.0).ok().and_then(|number| number.checked_sub(1));
        let Some((side, levels)) = found.and_then(|number| self.met().cause_list.get(number).cloned()) else {
            return Vec::new();
        };
        let factors = side.factors(space);
        let mut unknown = Vec::new();
        for (position, level) in levels.iter().enumerate() {
            let factor = factors.get(position);
            match (level, factor) {
                (Found::Known(_), _) | (Found::Missing, None) => {}
                // A context may say more than the model asks for.
                (Found::Unknown(_), None) if side == Side::Context => {}
                (Found::Missing, Some(factor)) => unknown.push(UnknownLevel::of(side, factor.name().into(), None)),
                (Found::Unknown(text), Some(factor)) => {
                    let value = self.shown(*text).unwrap_or_else(|| "…".into());
                    unknown.push(UnknownLevel::of(side, factor.name().into(), Some(value)));
                }
                (Found::Unknown(name), None) => {
                    let name = self.shown(*name).unwrap_or_else(|| "…".into());
                    unknown.push(UnknownLevel { is_foreign: true, ..UnknownLevel::of(side, name, None) });
                }
            }
        }
        unknown
    }

    /// The factor to show for a cause, and its value: one that has a value before one that is missing.
    pub(crate) fn example(&self, cause: CauseId, space: &Space) -> Option<(String, Option<String>)> {
        let mut factors = self.factors(cause, space);
        let best = factors.iter().position(|f| f.value.is_some() || f.is_foreign).unwrap_or(0);
        (best < factors.len()).then(|| factors.swap_remove(best)).map(|factor| (factor.factor, factor.value))
    }

    /// The levels behind some counts, most rows first.
    pub(crate) fn levels(&self, counts: &CauseCounts, space: &Space) -> Vec<UnknownLevel> {
        let mut levels: HashMap<(Side, String, Option<String>, bool), UnknownLevel> = HashMap::new();
        for (cause, rows) in counts.iter() {
            for level in self.factors(cause, space) {
                let key = (level.side, level.factor.clone(), level.value.clone(), level.is_foreign);
                levels.entry(key).or_insert(level).rows += rows;
            }
        }
        let mut levels: Vec<UnknownLevel> = levels.into_values().collect();
        for level in &mut levels {
            let factor = level.side.factors(space).iter().find(|factor| factor.name() == level.factor);
            level.near = match (&level.value, factor) {
                (Some(value), Some(factor)) => near(value, factor.levels().iter().map(String::as_str)),
                _ if level.is_foreign => {
                    near(&level.factor, level.side.factors(space).iter().map(|factor| factor.name()))
                }
                _ => None,
            };
        }
        levels.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| (&a.factor, &a.value).cmp(&(&b.factor, &b.value))));
        levels
    }
}

impl UnknownLevel {
    fn of(side: Side, factor: String, value: Option<String>) -> Self {
        Self { side, factor, value, is_foreign: false, rows: 0, near: None }
    }

    /// `headline "ship faster" 27 times: did you mean "Ship faster"?`
    pub(crate) fn describe(&self) -> String {
        let Self { factor, rows, .. } = self;
        let what = match &self.value {
            _ if self.is_foreign => format!("{factor:?}, which is no factor, {rows} times"),
            Some(value) => format!("{factor} {value:?} {rows} times"),
            None => format!("{factor} missing {rows} times"),
        };
        match &self.near {
            Some(near) => format!("{what}: did you mean {:?}?", cut(near)),
            None => what,
        }
    }
}

/// Rows by cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct CauseCounts(Vec<u64>);

impl CauseCounts {
    #[inline]
    pub(crate) fn add(&mut self, cause: CauseId, rows: u64) {
        let number = cause.0 as usize;
        if number >= self.0.len() {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += rows;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(cause, rows)| self.add(cause, rows));
    }

    fn iter(&self) -> impl Iterator<Item = (CauseId, u64)> + '_ {
        (0..).map(CauseId).zip(self.0.iter().copied()).filter(|(_, rows)| *rows > 0)
    }
}

/// The name that differs from a text in nothing but case, Unicode form, and spaces and NULs around and within.
pub(crate) fn near<'a>(text: &str, mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let plain = plain(text);
    names.find(|name| *name != text && self::plain(name) == plain).map(str::to_owned)
}

/// The letters and digits of a text, in one form and case: what is left of a name in quotes, or with other punctuation.
pub(crate) fn letters(text: &str) -> String {
    plain(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A text without what the eye passes over: compatibility forms composed, lower case, single spaces, none at the ends.
fn plain(text: &str) -> String {
    let text = text.replace(['\0', '\u{feff}', '\u{200b}'], "");
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&text).to_lowercase();
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&composed).into_owned();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandit::Dtype;

    #[test]
    fn names_that_look_alike() {
        let names = ["Ship faster", "Größer", "mobile"];
        for (text, found) in [
            ("ship faster", Some("Ship faster")),
            ("Ship  faster ", Some("Ship faster")),
            ("Ship\u{a0}faster", Some("Ship faster")),
            ("Gro\u{308}ßer", Some("Größer")),
            ("ｍｏｂｉｌｅ", Some("mobile")),
            ("mobile\0\0", Some("mobile")),
            ("mobile", None),
            ("mobil", None),
            ("", None),
        ] {
            assert_eq!(near(text, names.into_iter()).as_deref(), found, "{text:?}");
        }
    }

    #[test]
    fn levels_are_counted_over_all_causes() {
        let factor = |name: &str| Factor::new(name, Dtype::Str, vec!["Ship faster".into(), "b".into()]).unwrap();
        let space = Space::new(vec![factor("h"), factor("k")], vec![]).unwrap();
        let unknowns = Unknowns::default();
        let [ship, x] = ["ship faster", "x"].map(|text| Found::Unknown(unknowns.text(text)));
        let mut counts = CauseCounts::default();
        for (levels, rows) in
            [([ship, Found::Known(0)], 3), ([ship, x], 2), ([Found::Known(1), Found::Missing], 4), ([ship, x], 1)]
        {
            counts.add(unknowns.cause(Side::Design, &levels), rows);
        }
        let levels: Vec<String> = unknowns.levels(&counts, &space).iter().map(UnknownLevel::describe).collect();
        assert_eq!(
            levels,
            ["h \"ship faster\" 6 times: did you mean \"Ship faster\"?", "k missing 4 times", "k \"x\" 3 times"]
        );
    }

    #[test]
    fn what_is_told_apart_is_bounded() {
        let unknowns = Unknowns::default();
        let last = (0..TOLD_APART + 5).map(|i| unknowns.text(&i.to_string())).last().unwrap();
        assert_eq!((last, unknowns.shown(last)), (TextId(0), None));
        assert_eq!(unknowns.shown(unknowns.text("7")).as_deref(), Some("7"));
    }
}
