//! `mapping.json`: how the columns of a schema that is in use become the columns that are read.
//!
//! A field is taken from a path: a column, or with dots a field of a struct, of JSON text, or the record of that key in an
//! array of key–value records. A variation key becomes levels by a table, and rows may be chosen by equality.

mod parse;
mod path;
mod presets;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bandit::Space;
use serde_json::{Map, Value};

use crate::cell::Cell;
use crate::entries::Unique;
use crate::error::SnapshotError;
use crate::fetch::fetch;
use crate::fields::{Field, Role, Wanted, wanted};
use crate::plan::Plan;
use crate::source::{Object, Source};
use parse::{From, Table};
use path::{Path, text_of};

/// The largest mapping that is read.
const LARGEST: u64 = 1 << 20;

/// The mapping of a snapshot.
#[derive(Debug)]
pub(crate) struct Mapping {
    tables: BTreeMap<&'static str, Table>,
}

impl Mapping {
    /// Reads the object.
    ///
    /// # Errors
    /// [`SnapshotError::Mapping`] where it is not what it should be, or names factors and levels that the model does not have; a
    /// failed read.
    pub(crate) fn read(source: &dyn Source, object: &Object, space: &Space) -> Result<Self, SnapshotError> {
        if object.size > LARGEST {
            return Err(SnapshotError::mapping(format!("it has {} bytes, more than {LARGEST}", object.size)));
        }
        let bytes = fetch(source, &object.key, 0..object.size)?;
        let written = serde_json::from_slice(&bytes).map_err(|error| SnapshotError::mapping(error.to_string()))?;
        let Unique(written) = written;
        let mapping = Self { tables: parse::tables(&written).map_err(SnapshotError::mapping)? };
        for (folder, table) in &mapping.tables {
            table.check(space).map_err(|detail| SnapshotError::mapping(format!("{folder}.variant: {detail}")))?;
        }
        Ok(mapping)
    }

    /// How files of a role are read; `None` where it says nothing of them.
    pub(crate) fn of(&self, role: Role, plan: &Plan<'_>) -> Option<Columns> {
        let names: &[&str] = match role {
            Role::Exposures => &["exposures"],
            Role::Rewards => &["rewards"],
            Role::Observations => &["observations"],
            Role::Cells => &["cells"],
            // A snapshot has one of them.
            Role::Times => &["exposures", "observations"],
        };
        let table = names.iter().find_map(|name| self.tables.get(name))?;
        Some(Columns::new(table, wanted(role, plan), role, plan.space))
    }
}

/// The columns of a schema, and what is made of them.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// The columns to read.
    pub(crate) read: Vec<Wanted>,
    /// The columns that are made of them.
    pub(crate) fields: Vec<Wanted>,
    made: Vec<Made>,
    filters: Vec<(Located, Vec<Option<String>>)>,
}

/// How a column is made.
#[derive(Clone, Debug)]
enum Made {
    /// It is a column of the file.
    Read(usize),
    Path(Located),
    /// By the table of a variation key.
    Keyed {
        from: Located,
        name: String,
        levels: BTreeMap<String, String>,
    },
    /// An object of the values at some paths.
    Object(Vec<(String, Located)>),
    /// Another column stands for it.
    Absent,
}

/// A path, and the columns where it may begin: the one of its whole name, and the one of its first part.
#[derive(Clone, Debug)]
struct Located {
    whole: usize,
    first: Option<usize>,
    rest: Vec<String>,
}

impl Columns {
    fn new(table: &Table, fields: Vec<Wanted>, role: Role, space: &Space) -> Self {
        let mut read: Vec<Wanted> = Vec::new();
        let mut column = |name: &str, required: bool| {
            if let Some(known) = read.iter().position(|column| column.names[0] == name) {
                read[known].required |= required;
                return known;
            }
            let field = Field::Source(read.len());
            read.push(Wanted { field, names: vec![name.into()], required, in_path: None });
            read.len() - 1
        };
        let mut located = |path: &Path, required: bool| Located {
            whole: column(&path.whole(), required && path.rest().is_empty()),
            first: (!path.rest().is_empty()).then(|| column(path.first(), false)),
            rest: path.rest().to_vec(),
        };
        let object = |paths: &[(String, Path)], located: &mut dyn FnMut(&Path, bool) -> Located| {
            Made::Object(paths.iter().map(|(name, path)| (name.clone(), located(path, false))).collect())
        };
        let mut made = Vec::new();
        for wanted in &fields {
            let name = wanted.field.name(role, space);
            made.push(match wanted.field {
                Field::Variant => match &table.variant {
                    Some(From::Path(path)) => Made::Path(located(path, true)),
                    Some(From::Paths(paths)) => object(paths, &mut located),
                    Some(From::Keys { from, levels }) => {
                        Made::Keyed { from: located(from, true), name: from.whole(), levels: levels.clone() }
                    }
                    None => Made::Path(located(&Path::column(name), false)),
                },
                Field::Context => match &table.context {
                    Some(From::Paths(paths)) => object(paths, &mut located),
                    Some(From::Path(path) | From::Keys { from: path, .. }) => Made::Path(located(path, true)),
                    None => Made::Path(located(&Path::column(name), false)),
                },
                Field::DesignFactor(_) if table.variant.is_some() => Made::Absent,
                Field::ContextFactor(_) if table.context.is_some() => Made::Absent,
                _ => {
                    if let Some(path) = table.fields.get(name) {
                        Made::Path(located(path, wanted.required))
                    } else {
                        let first =
                            wanted.names.iter().map(|name| located(&Path::column(name), false)).collect::<Vec<_>>();
                        match first.as_slice() {
                            [one] => Made::Read(one.whole),
                            // The names of a column in their order.
                            [one, other, ..] => {
                                Made::Path(Located { whole: one.whole, first: Some(other.whole), rest: Vec::new() })
                            }
                            [] => Made::Absent,
                        }
                    }
                }
            });
        }
        let filters = table.filters.iter().map(|(path, values)| (located(path, true), values.clone())).collect();
        Self { read, fields, made, filters }
    }

    /// What is made of a column: the names of the fields, and whether rows are chosen by it.
    pub(crate) fn uses(&self, source: usize, role: Role, space: &Space) -> String {
        let begins = |at: &Located| at.whole == source || at.first == Some(source);
        let is_of = |made: &Made| match made {
            Made::Read(column) => *column == source,
            Made::Path(at) | Made::Keyed { from: at, .. } => begins(at),
            Made::Object(paths) => paths.iter().any(|(_, at)| begins(at)),
            Made::Absent => false,
        };
        let fields = self.made.iter().zip(&self.fields).filter(|(made, _)| is_of(made));
        let mut uses: Vec<&str> = fields.map(|(_, wanted)| wanted.field.name(role, space)).collect();
        uses.extend(self.filters.iter().any(|(at, _)| begins(at)).then_some("where"));
        uses.join(", ")
    }

    /// The columns of a record, or `None` where the mapping leaves it out.
    pub(crate) fn apply<'c>(&'c self, cells: &[Cell<'c>]) -> Option<Vec<Cell<'c>>> {
        let value = |at: &Located| at.value(cells);
        for (at, values) in &self.filters {
            let found = value(at).and_then(|value| text_of(&value));
            if !values.contains(&found) {
                return None;
            }
        }
        let made = self.made.iter().zip(&self.fields).map(|(made, wanted)| match made {
            Made::Absent => Cell::Absent,
            Made::Read(column) => cells[*column].clone(),
            Made::Path(at) => match at.cell(cells) {
                // A name that is not there differs from one that is null, and so do columns of single factors.
                None => Cell::Absent,
                Some(cell) => cell,
            }
            .for_field(wanted.field),
            Made::Keyed { from, name, levels } => match value(from).and_then(|value| text_of(&value)) {
                None => Cell::Null,
                Some(key) => {
                    if let Some(levels) = levels.get(&key) {
                        Cell::Text(Cow::Borrowed(levels))
                    } else {
                        let unknown = Map::from_iter([(format!("{name} = {key}"), Value::Bool(true))]);
                        Cell::Text(Cow::Owned(Value::Object(unknown).to_string()))
                    }
                }
            },
            Made::Object(paths) => {
                let levels = paths.iter().filter_map(|(factor, at)| Some((factor.clone(), value(at)?)));
                Cell::Text(Cow::Owned(Value::Object(levels.collect()).to_string()))
            }
        });
        Some(made.collect())
    }
}

impl Located {
    /// The cell at a path, where it is a column.
    fn cell<'c>(&self, cells: &[Cell<'c>]) -> Option<Cell<'c>> {
        match (&cells[self.whole], self.first) {
            (Cell::Absent, None) => None,
            (Cell::Absent, Some(first)) if self.rest.is_empty() => {
                Some(cells[first].clone()).filter(|cell| *cell != Cell::Absent)
            }
            (Cell::Absent, Some(first)) if cells[first] == Cell::Absent => None,
            (Cell::Absent, Some(first)) => Some(Cell::of_value(path::find(&cells[first].value(), &self.rest))),
            (cell, _) => Some(cell.clone()),
        }
    }

    fn value(&self, cells: &[Cell<'_>]) -> Option<Value> {
        self.cell(cells).map(|cell| cell.value())
    }
}
