//! JSON that is no sequence of rows, told by what it looks like.

use super::super::objects::Field;
use crate::error::{Place, SnapshotError};
use crate::fields::{self, Wanted};

/// The names of an object's fields, for messages.
pub(super) fn names(object: &[u8], fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| String::from_utf8_lossy(&object[field.name.clone()]).into_owned()).collect()
}

/// What the first object of a file is, if its rows are somewhere within it. `whole`: it is there to its end; else `fields` are those
/// before the one at which it becomes too long.
pub(super) fn of_object(object: &[u8], fields: &[Field], wanted: &[Wanted], whole: bool) -> Option<String> {
    let name = |field: &Field| String::from_utf8_lossy(&object[field.name.clone()]).into_owned();
    let begins = |field: &Field, with: &[u8]| {
        let value = object[field.value.clone()].trim_ascii_start();
        value.first().is_some_and(|first| with.contains(first))
    };
    let is_wanted = |field: &&Field, only: &dyn Fn(&Wanted) -> bool| {
        let name = name(field);
        wanted.iter().filter(|w| only(w)).any(|w| w.names.iter().any(|known| known.eq_ignore_ascii_case(&name)))
    };
    // A column that a mapping reads may hold anything.
    let is_scalar =
        |w: &Wanted| !matches!(w.field, fields::Field::Variant | fields::Field::Context | fields::Field::Source(_));

    // What is left of an object that is too long: the name of a field that is not at its end.
    let last = (!whole).then(|| unfinished(object, fields)).flatten();
    let unfinished_name = last.as_ref().map(|(name, _)| name.as_str());
    let has = |wanted: &str| fields.iter().any(|field| name(field) == wanted) || unfinished_name == Some(wanted);

    if has("columns") && (has("data") || has("index")) {
        return Some(
            "a table in pieces, columns apart from data (orient=\"split\" of pandas); write one object a line".into(),
        );
    }
    if has("schema") && (has("payload") || has("data")) {
        return Some("rows in an envelope of schema and payload; write the rows alone, one object a line".into());
    }
    let column = |field: &&Field| {
        let tagged = wanted_scalar(&object[field.value.clone()]);
        is_wanted(field, &is_scalar) && begins(field, b"{[") && !tagged
    };
    let of_columns = fields.iter().find(column).map(&name).or_else(|| {
        let (name, value) = last.as_ref()?;
        let known =
            wanted.iter().filter(|w| is_scalar(w)).any(|w| w.names.iter().any(|n| n.eq_ignore_ascii_case(name)));
        (known && matches!(value, b'{' | b'[')).then(|| name.clone())
    });
    if let Some(name) = of_columns {
        return Some(format!(
            "a dump by columns: {name:?} holds all of its values (as to_json() of pandas writes by default); write one object a line \
             (orient=\"records\", lines=True)"
        ));
    }
    let id = |w: &Wanted| w.required && (is_scalar(w) || matches!(w.field, fields::Field::Source(_)));
    if fields.iter().any(|field| is_wanted(&field, &id)) {
        return None;
    }
    let is_rows = |field: &&Field| {
        let value = object[field.value.clone()].trim_ascii_start();
        value.first() == Some(&b'[') && value[1..].trim_ascii_start().first() == Some(&b'{')
    };
    let envelope =
        fields.iter().find(is_rows).map(&name).or(last.as_ref().filter(|(_, b)| *b == b'[').map(|(n, _)| n.clone()));
    if let Some(name) = envelope {
        return Some(format!(
            "an envelope: its rows are in the array under {name:?}; write them alone, one object a line"
        ));
    }
    let numbered = |field: &Field| name(field).bytes().all(|c| c.is_ascii_digit()) && begins(field, b"{");
    if fields.len() > 1 && fields.iter().all(numbered) {
        return Some("a dump by rows under their numbers (orient=\"index\" of pandas); write one object a line".into());
    }
    for inside in ["payload", "after", "Item", "_source", "record", "value", "row"] {
        if let Some(field) = fields.iter().find(|field| name(field) == inside && begins(field, b"{")) {
            let required = wanted.iter().find(|w| w.required && is_scalar(w));
            let holds = |w: &Wanted| {
                let value = String::from_utf8_lossy(&object[field.value.clone()]).into_owned();
                w.names.iter().any(|known| value.contains(&format!("\"{known}\"")))
            };
            if required.is_some_and(holds) {
                return Some(format!("an envelope: the row is under {inside:?}; write it alone"));
            }
        }
    }
    None
}

/// A scalar in an object that says its type.
fn wanted_scalar(value: &[u8]) -> bool {
    let inner = value.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let starts = [&b"\"$"[..], b"\"string\"", b"\"long\"", b"\"int\"", b"\"double\"", b"\"float\"", b"\"boolean\""];
    inner.is_some_and(|inner| starts.iter().any(|start| inner.starts_with(start)))
}

/// The field behind `fields`, whose end is not there: its name and the first byte of its value.
fn unfinished(object: &[u8], fields: &[Field]) -> Option<(String, u8)> {
    let from = fields.last().map_or(1, |last| last.value.end);
    let rest = object.get(from..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    let value = rest[end + 1..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    Some((String::from_utf8_lossy(&rest[..end]).into_owned(), *value.first()?))
}

/// Fails where a file whose first value is no object is something else than JSON, or rows without names.
///
/// # Errors
/// [`SnapshotError::Undecodable`] that says what it looks like.
pub(super) fn of_text(text: &[u8], key: &str, line: u64, wanted: &[Wanted]) -> Result<(), SnapshotError> {
    let refuse = |detail: &str| Err(SnapshotError::undecodable(key, Place::Line(line), detail));
    if text.starts_with(b"[") && text[1..].trim_ascii_start().starts_with(b"[") {
        return refuse(
            "rows without the names of their columns (orient=\"values\" of pandas); write one object a line",
        );
    }
    let first = text.split(|c| *c == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(&first[..first.len().min(4096)]).into_owned();
    let mut names = first.split([',', ';', '\t', '|']).map(|name| name.trim().trim_matches('"'));
    let is_column = |name: &str| wanted.iter().any(|w| w.names.iter().any(|known| known.eq_ignore_ascii_case(name)));
    if names.any(is_column) {
        return refuse("a table with a header line, which is CSV; give it a name that ends in .csv");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::objects::scan;
    use super::*;

    fn wanted() -> Vec<Wanted> {
        let column = |field, name: &str| Wanted { field, names: vec![name.into()], required: true, in_path: None };
        let mut wanted = vec![column(fields::Field::Id, "anonymous_id"), column(fields::Field::Time, "timestamp")];
        wanted.push(Wanted {
            field: fields::Field::Variant,
            names: vec!["variant".into()],
            required: false,
            in_path: None,
        });
        wanted
    }

    fn of(text: &str) -> Option<String> {
        let mut fields = Vec::new();
        let whole =
            matches!(scan(text.as_bytes(), 64, 100, &mut fields), super::super::super::objects::Scan::Object(_));
        of_object(text.as_bytes(), &fields, &wanted(), whole)
    }

    #[test]
    fn objects_that_are_no_rows() {
        for (text, what) in [
            (r#"{"anonymous_id":{"0":"u"},"timestamp":{"0":1}}"#, "a dump by columns: \"anonymous_id\""),
            (r#"{"x":{"0":1},"anonymous_id":["u","v"],"timestamp":[1,2]}"#, "a dump by columns: \"anonymous_id\""),
            (r#"{"anonymous_id":{"0":"u","1":"#, "a dump by columns: \"anonymous_id\""),
            (r#"{"columns":["anonymous_id"],"index":[0],"data":[["u"]]}"#, "a table in pieces"),
            (r#"{"columns":["anonymous_id"],"data":[["u"],["#, "a table in pieces"),
            (r#"{"schema":{"fields":[]},"data":[{"anonymous_id":"u"}]}"#, "rows in an envelope of schema and payload"),
            (r#"{"schema":{},"payload":{"anonymous_id":"u"}}"#, "rows in an envelope of schema and payload"),
            (r#"{"count":2,"results":[{"anonymous_id":"u"}]}"#, "the array under \"results\""),
            (r#"{"Records": [ {"anonymous_id":"u"},"#, "the array under \"Records\""),
            (r#"{"0":{"anonymous_id":"u"},"1":{"anonymous_id":"v"}}"#, "a dump by rows under their numbers"),
            (r#"{"before":null,"after":{"anonymous_id":"u"}}"#, "the row is under \"after\""),
        ] {
            let found = of(text).unwrap_or_default();
            assert!(found.contains(what), "{text}: {found}");
        }
        for text in [
            "{}",
            r#"{"anonymous_id":"u","timestamp":1,"items":[{"a":1}]}"#,
            r#"{"anonymous_id":{"$oid":"u"},"timestamp":{"$date":1}}"#,
            r#"{"anonymous_id":"u","variant":{"a":1}}"#,
            r#"{"user":"u","time":1}"#,
            r#"{"user":"u","tags":["a"]}"#,
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_json() {
        let of = |text: &str| of_text(text.as_bytes(), "a.json", 1, &wanted()).map_err(|error| error.to_string());
        assert!(of("[[1,2],[3,4]]").unwrap_err().contains("without the names"));
        assert!(of("x,\"Anonymous_ID\",y\n1,2,3\n").unwrap_err().contains("CSV"));
        assert!(of("a;timestamp\n").unwrap_err().contains("CSV"));
        assert!(of("hello\nanonymous_id,timestamp\n").is_ok());
    }
}
