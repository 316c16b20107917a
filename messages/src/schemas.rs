//! Which type each event is published as, and the JSON Schemas of these types.

use crate::Envelope;
use crate::from_domain::published;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What events of one name are published as.
pub(crate) struct Published {
    pub(crate) name: &'static str,
    schema: fn() -> Value,
    /// Reads a message as a consumer does, and writes it again.
    #[cfg(test)]
    pub(crate) reread: fn(Value) -> serde_json::Result<Value>,
}

impl Published {
    pub(crate) const fn by<T: JsonSchema + Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            schema: schema::<T>,
            #[cfg(test)]
            reread: |message| serde_json::from_value::<T>(message).and_then(serde_json::to_value),
        }
    }
}

/// The JSON Schema of the envelope, and of `data` for each type of event.
pub fn schemas() -> (Value, Vec<(&'static str, Value)>) {
    let mut envelope = schema::<Envelope<Value>>();
    // What `data` is depends on the type: each has a schema of its own.
    envelope["properties"]["data"] = json!({ "type": "object", "description": "What happened, in the fields of its type." });
    if let Some(envelope) = envelope.as_object_mut() {
        envelope.remove("$defs");
    }
    (envelope, published().map(|event| (event.name, (event.schema)())).collect())
}

fn schema<T: JsonSchema>() -> Value {
    Value::from(schemars::schema_for!(T))
}
