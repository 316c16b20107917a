//! JSON from clients, read strictly: no object has two members of one name.
//!
//! serde_json keeps the last of two members of one name. A client or a proxy may mean, or check, the first.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// About what a value takes in memory, beside the bytes of its text.
pub const VALUE_BYTES: usize = 128;

/// No fewer values than a text has, names among them. A text that is not JSON has some number as well.
pub fn values_max(text: &[u8]) -> usize {
    let (mut values, mut at) = (1, 0);
    while at < text.len() {
        match text[at] {
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            b',' | b':' | b'[' | b'{' => values += 1,
            _ => {}
        }
        at += 1;
    }
    values
}

/// The value of a text in which no object has two members of one name.
pub fn strict(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(|Strict(value)| value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the name {name:?} occurs twice in an object")));
            }
            object.insert(name, members.next_value::<Strict>()?.0);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{strict, values_max};
    use serde_json::{Value, json};

    fn values(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(values).sum(),
            Value::Object(members) => members.values().map(|member| 1 + values(member)).sum::<usize>(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    #[test]
    fn no_text_has_more_values_than_are_counted_and_few_have_fewer() {
        for value in [
            json!(1),
            json!("[,,,\\\"{{{"),
            json!([]),
            json!([[], [[]], {}, "a,b", "\\"]),
            json!({ "a\",": { "b": [1, 2, 3], "[": null }, "c": "\\\"," }),
        ] {
            let (counted, there) = (values_max(value.to_string().as_bytes()), values(&value));
            assert!((there..=2 * there).contains(&counted), "{value}: {counted}, not {there}");
        }
        for text in ["\"", "\"\\", "{\"a", "[[["] {
            assert!(values_max(text.as_bytes()) >= 1, "{text}");
        }
    }

    #[test]
    fn a_value_reads_as_serde_json_reads_it() {
        for text in [
            r#"{"a":[1,-2,3.5,1e300,18446744073709551615,true,null,"x\u00e9"],"b":{"a":{"a":{}}}}"#,
            " [ ] ",
            "\"text\"",
            "1e400",
            "{\"a\":1} more",
            "{\"a\"",
            "",
        ] {
            let (ours, theirs) = (strict(text.as_bytes()), serde_json::from_str::<Value>(text));
            assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "{text}");
            assert_eq!(ours.map_err(|error| error.to_string()).err(), theirs.map_err(|error| error.to_string()).err(), "{text}");
        }
    }

    #[test]
    fn a_name_given_twice_is_refused_at_every_depth_however_it_is_written() {
        for text in
            [r#"{"name":1,"name":1}"#, r#"{"a":{"name":1,"b":2,"name":3}}"#, r#"[[{"name":{},"name":{}}]]"#, r#"{"name":1,"n\u0061me":2}"#]
        {
            let error = strict(text.as_bytes()).expect_err("two of one name").to_string();
            assert!(error.starts_with("the name \"name\" occurs twice in an object at line 1 column"), "{text}: {error}");
        }
        strict(br#"[{"name":1},{"name":{"name":2}}]"#).expect("one name in several objects");
    }
}
