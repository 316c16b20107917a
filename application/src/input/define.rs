//! Makes structs of a table of inputs.

/// Makes the structs of the inputs in a table. A table is a macro that gives its text to another macro, so that `api` makes
/// the input objects of GraphQL of the same text: see [`task_inputs`](crate::task_inputs). Of
///
/// ```text
/// /// Input of `taskUpdate`.
/// input TaskUpdateInput {
///     /// The task.
///     id: Id,
/// } patch {
///     /// One line of 1 to 200 characters.
///     title: Text,
/// }
/// ```
///
/// it makes
///
/// ```ignore
/// /// Input of `taskUpdate`.
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
/// #[serde(rename_all = "camelCase", deny_unknown_fields)]
/// pub struct TaskUpdateInput {
///     /// The task.
///     #[serde(skip_serializing_if = "Field::is_omitted")]
///     pub id: Id,
///     /// One line of 1 to 200 characters.
///     #[serde(default, skip_serializing_if = "Field::is_omitted")]
///     pub title: Patch<Text>,
/// }
///
/// impl TaskUpdateInput {
///     pub const FIELDS: &'static [&'static str] = &["id", "title"];
/// }
/// ```
///
/// A field of type `Option` may be omitted. A field under `patch` may be omitted, null or set, and these differ: see [`Patch`].
///
/// [`Patch`]: crate::input::Patch
macro_rules! define_inputs {
    ($(
        $(#[$doc:meta])+
        input $name:ident {
            $($(#[$field_doc:meta])+ $field:ident: $type:ty,)+
        } $(patch {
            $($(#[$patch_doc:meta])+ $patch:ident: $patched:ty,)+
        })?
    )+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_doc])+
                #[serde(skip_serializing_if = "crate::input::Field::is_omitted")]
                pub $field: $type,
            )+
            $($(
                $(#[$patch_doc])+
                #[serde(default, skip_serializing_if = "crate::input::Field::is_omitted")]
                pub $patch: crate::input::Patch<$patched>,
            )+)?
        }

        impl crate::input::Field for $name {}

        impl $name {
            /// The names of its fields.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field),)+ $($(stringify!($patch),)+)?];
        }
    )+};
}

pub(crate) use define_inputs;
