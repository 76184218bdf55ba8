//! Levels of a factor as they are sent: a value alone, or with an id and with what it was before.

use bandit::Dtype;
use serde_json::{Map, Value};

use super::Faults;
use crate::echo::{self, quoted};

/// The levels of a factor as text, and each text that one of them had before, with that level's number.
pub(super) type Levels = (Vec<String>, Vec<(String, usize)>);

/// The levels of a factor; `None` where something is wrong with them.
pub(super) fn levels(faults: &mut Faults, place: &str, dtype: Dtype, given: &[Value]) -> Option<Levels> {
    let (mut texts, mut previous, mut ids) = (Vec::with_capacity(given.len()), Vec::new(), Vec::new());
    for (j, level) in given.iter().enumerate() {
        let place = format!("{place}[{j}]");
        match level {
            Value::Object(fields) => {
                let named = named(faults, &place, dtype, fields)?;
                if ids.contains(&named.id) {
                    faults.add(format!("{place}.id"), format!("{} is the id of two levels", quoted(&named.id)));
                    return None;
                }
                ids.push(named.id);
                texts.push(named.value);
                previous.extend(named.previous.into_iter().map(|text| (text, j)));
            }
            value => texts.push(text(value, dtype).map_err(|message| faults.add(place, message)).ok()?),
        }
    }
    Some((texts, previous))
}

/// A level as it is kept: what it was before is left out where it is null, as all is that there is not.
pub(super) fn without_null(level: &Value) -> Value {
    let mut level = level.clone();
    if let Value::Object(fields) = &mut level
        && fields.get("previous_values").is_some_and(Value::is_null)
    {
        fields.remove("previous_values");
    }
    level
}

/// A level with an id.
struct Named {
    id: String,
    value: String,
    previous: Vec<String>,
}

fn named(faults: &mut Faults, place: &str, dtype: Dtype, fields: &Map<String, Value>) -> Option<Named> {
    if let Some(unknown) = fields.keys().find(|name| !["id", "value", "previous_values"].contains(&name.as_str())) {
        faults.add(
            format!("{place}.{}", echo::value(unknown)),
            "unknown field; a level has id, value and previous_values",
        );
        return None;
    }
    let mut at = |name: &str, value: Option<&Value>, dtype| {
        let read = value.map_or_else(|| Err("it is missing".to_owned()), |value| text(value, dtype));
        read.map_err(|message| faults.add(format!("{place}.{name}"), message)).ok()
    };
    let id = at("id", fields.get("id"), Dtype::Str)?;
    let value = at("value", fields.get("value"), dtype)?;
    let previous = match fields.get("previous_values") {
        None => Vec::new(),
        Some(Value::Array(values)) => {
            let one = |(k, value): (usize, &Value)| {
                // What a bool was before may have been a text, such as "on".
                let dtype = if value.is_string() { Dtype::Str } else { dtype };
                at(&format!("previous_values[{k}]"), Some(value), dtype)
            };
            values.iter().enumerate().map(one).collect::<Option<_>>()?
        }
        Some(other) => {
            faults.add(format!("{place}.previous_values"), format!("{} is not a list", echo::value(other)));
            return None;
        }
    };
    Some(Named { id, value, previous })
}

/// A level's value as text.
fn text(value: &Value, dtype: Dtype) -> Result<String, String> {
    match (value, dtype) {
        (Value::String(text), Dtype::Str) => match text.chars().count() {
            1..=256 => Ok(text.clone()),
            length => Err(format!("it has {length} characters; 1 to 256 are allowed")),
        },
        (Value::Bool(value), Dtype::Bool) => Ok(value.to_string()),
        (other, Dtype::Str) => Err(format!("{} is not a string, as dtype str requires", echo::value(other))),
        (other, Dtype::Bool) => Err(format!("{} is not true or false, as dtype bool requires", echo::value(other))),
    }
}
