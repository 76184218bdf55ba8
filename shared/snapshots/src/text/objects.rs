//! Where a JSON object ends, and where its fields are: by its structure alone, so that what is not read may be anything that a
//! writer takes for JSON.

use std::ops::Range;

use memchr::memchr3;

/// A field of an object: where its name and its value are, both as they are written. The name is without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// What a text that begins with `{` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// An object of so many bytes.
    Object(usize),
    /// The text ends before the object does.
    Incomplete,
    /// No object.
    Bad,
    /// Objects and arrays within each other beyond the limit.
    TooDeep,
    /// Fields beyond the limit.
    TooMany,
}

/// Words that stand for a value, in JSON and in what Python and JavaScript write instead.
const WORDS: [&[u8]; 12] = [
    b"true",
    b"false",
    b"null",
    b"NaN",
    b"nan",
    b"Infinity",
    b"-Infinity",
    b"inf",
    b"-inf",
    b"undefined",
    b"None",
    b"True",
];

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A name, or the end of an empty object.
    First,
    Name,
    Colon,
    Value,
    /// A value, or the end of an empty array.
    Element,
    /// A comma or an end.
    Comma,
}

/// Reads the object at the beginning of `text` and puts its fields into `fields`.
pub(super) fn scan(text: &[u8], nesting: usize, most: usize, fields: &mut Vec<Field>) -> Scan {
    fields.clear();
    // One bit for each level: whether it is an array. The limit keeps it within a word.
    let (mut arrays, mut depth) = (0_u64, 0);
    let mut next = Next::First;
    let (mut name, mut value) = (0..0, 0);
    let mut at = 1;
    loop {
        let Some(&byte) = text.get(at) else { return Scan::Incomplete };
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            at += 1;
            continue;
        }
        match (next, byte) {
            (Next::First | Next::Name, b'"') => match string(text, at) {
                Ok(end) => {
                    if depth == 0 {
                        name = at + 1..end - 1;
                    }
                    at = end;
                    next = Next::Colon;
                    continue;
                }
                Err(scan) => return scan,
            },
            (Next::Colon, b':') => next = Next::Value,
            (Next::Value | Next::Element, b'{' | b'[') => {
                if depth == 0 {
                    value = at;
                }
                depth += 1;
                if depth >= nesting.min(64) {
                    return Scan::TooDeep;
                }
                arrays = arrays << 1 | u64::from(byte == b'[');
                next = if byte == b'[' { Next::Element } else { Next::First };
            }
            (Next::Value | Next::Element, _) if !matches!(byte, b']' | b'}') => {
                let end = match if byte == b'"' { string(text, at) } else { word(text, at) } {
                    Ok(end) => end,
                    Err(scan) => return scan,
                };
                if depth == 0 {
                    fields.push(Field { name: name.clone(), value: at..end });
                    if fields.len() > most {
                        return Scan::TooMany;
                    }
                }
                at = end;
                next = Next::Comma;
                continue;
            }
            (Next::Comma, b',') => next = if depth > 0 && arrays & 1 == 1 { Next::Value } else { Next::Name },
            (Next::First | Next::Comma, b'}') if depth == 0 => return Scan::Object(at + 1),
            (Next::First | Next::Comma, b'}') if arrays & 1 == 0 => {
                if let Some(scan) = close(&mut depth, &mut arrays, fields, &name, value..at + 1, most) {
                    return scan;
                }
                next = Next::Comma;
            }
            (Next::Element | Next::Comma, b']') if depth > 0 && arrays & 1 == 1 => {
                if let Some(scan) = close(&mut depth, &mut arrays, fields, &name, value..at + 1, most) {
                    return scan;
                }
                next = Next::Comma;
            }
            _ => return Scan::Bad,
        }
        at += 1;
    }
}

/// Leaves an object or array; what that comes to where it is beyond a limit.
fn close(
    depth: &mut usize,
    arrays: &mut u64,
    fields: &mut Vec<Field>,
    name: &Range<usize>,
    value: Range<usize>,
    most: usize,
) -> Option<Scan> {
    *depth -= 1;
    *arrays >>= 1;
    if *depth == 0 {
        fields.push(Field { name: name.clone(), value });
    }
    (fields.len() > most).then_some(Scan::TooMany)
}

/// The end of the string that begins at `at`. A string has no line end in it.
fn string(text: &[u8], at: usize) -> Result<usize, Scan> {
    let mut from = at + 1;
    loop {
        let found = text.get(from..).and_then(|rest| memchr3(b'"', b'\\', b'\n', rest)).ok_or(Scan::Incomplete)?;
        match text[from + found] {
            b'"' => return Ok(from + found + 1),
            b'\\' => from += found + 2,
            _ => return Err(Scan::Bad),
        }
    }
}

/// The end of the number or word that begins at `at`.
fn word(text: &[u8], at: usize) -> Result<usize, Scan> {
    let is_end = |c: &u8| matches!(c, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
    let length = text[at..].iter().position(is_end).ok_or(Scan::Incomplete)?;
    let word = &text[at..at + length];
    let is_number = |c: &u8| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e' | b'E');
    let is_value = (matches!(word, [b'0'..=b'9' | b'-' | b'+' | b'.', ..]) && word.iter().all(is_number))
        || WORDS.contains(&word)
        || word == b"False";
    if is_value { Ok(at + length) } else { Err(Scan::Bad) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn fields(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        assert_eq!(scan(text.as_bytes(), 64, 100, &mut found), Scan::Object(text.len()), "{text}");
        found.into_iter().map(|f| (text[f.name].to_owned(), text[f.value].to_owned())).collect()
    }

    #[test]
    fn fields_of_objects() {
        let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        assert_eq!(fields("{}"), []);
        assert_eq!(fields(r#"{"a":1}"#), of(&[("a", "1")]));
        assert_eq!(
            fields("{ \"a\" : \"x\\\"}\" ,\n\"b\":[1,{\"c\":[]},{}], \"d\" : {\"e\":\"]\"}\r\n}"),
            of(&[("a", "\"x\\\"}\""), ("b", "[1,{\"c\":[]},{}]"), ("d", "{\"e\":\"]\"}")])
        );
        assert_eq!(fields(r#"{"a":NaN,"b":-Infinity}"#), of(&[("a", "NaN"), ("b", "-Infinity")]));
    }

    #[test]
    fn what_is_no_object() {
        let of = |text: &str| scan(text.as_bytes(), 4, 3, &mut Vec::new());
        for text in [
            r#"{"a" 1}"#,
            r#"{"a":}"#,
            r#"{"a":1 "b":2}"#,
            "{a:1}",
            r#"{"a":1,}"#,
            r#"{"a":[1}"#,
            r#"{"a":{]}"#,
            "{,}",
            "{\"a\n\":1}",
            r#"{"a":yes}"#,
            r#"{"a":1]"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1,]}"#,
        ] {
            assert_eq!(of(text), Scan::Bad, "{text}");
        }
        for text in ["{", r#"{"a"#, r#"{"a":"x\"#, r#"{"a":1"#, r#"{"a":tr"#, r#"{"a":[{}"#] {
            assert_eq!(of(text), Scan::Incomplete, "{text}");
        }
        assert_eq!(of(r#"{"a":[[[[1]]]]}"#), Scan::TooDeep);
        assert_eq!(of(r#"{"a":[[[]]]}"#), Scan::Object(12));
        assert_eq!(of(r#"{"a":1,"b":2,"c":3,"d":4}"#), Scan::TooMany);
        assert_eq!(of(r#"{"a":1,"b":[],"c":3,"d":{}}"#), Scan::TooMany);
    }

    fn values() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
            "[\\x00-\\x7f]{0,6}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,4}", inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn fields_are_those_of_a_parser(
            object in prop::collection::vec(("\\PC{0,4}", values()), 0..6),
            pretty: bool,
            behind in "\\PC{0,4}",
        ) {
            let object: serde_json::Map<String, Value> = object.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            let mut found = Vec::new();
            let whole = format!("{text}{behind}");
            prop_assert_eq!(scan(whole.as_bytes(), 64, 100, &mut found), Scan::Object(text.len()));
            prop_assert_eq!(found.len(), object.len());
            for (field, (name, value)) in found.into_iter().zip(&object) {
                let read: String = serde_json::from_str(&format!("\"{}\"", &text[field.name])).unwrap();
                prop_assert_eq!(&read, name);
                prop_assert_eq!(&serde_json::from_str::<Value>(&text[field.value]).unwrap(), value);
            }
            for end in 0..text.len() {
                if text.is_char_boundary(end) && end > 0 {
                    prop_assert_eq!(scan(&text.as_bytes()[..end], 64, 100, &mut Vec::new()), Scan::Incomplete);
                }
            }
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(prop::sample::select(&b"{}[]\":,\\ \nax1-"[..]), 0..40)) {
            scan(&[b"{", &text[..]].concat(), 5, 5, &mut Vec::new());
        }
    }
}
