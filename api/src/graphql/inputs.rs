//! The input objects of mutations, made of the application's tables of inputs. No field is named here.

use super::error::bad_input;
use super::project::CollaboratorRole;
use super::scalars::{Date, DateTime, TimeZone};
use super::schedule::ThresholdUnit;
use super::task::{TaskPriority, TaskStatus};
use application::inputs::{self, Moment as Instant, Patch, Wire};
use async_graphql::{Error, ID, InputObject, MaybeUndefined};
use chrono::NaiveDate;
use domain::task::Status;
use domain::values;
use uuid::Uuid;

// The types of fields in the tables, as types of the schema.
type Id = ID;
type Int = i32;
type Text = String;
type Day = Date;
type Moment = DateTime;
type Zone = TimeZone;

/// Most characters of a wrong id that an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// Makes an input object of each input in a table: the struct with the same fields and descriptions, and its conversion to the
/// input of the application. See `define_inputs` in `application/src/input/define.rs` for the form of a table. Of
/// `input TaskInput { /// The task. id: Id, }` it makes
///
/// ```ignore
/// #[derive(InputObject)]
/// pub struct TaskInput {
///     /// The task.
///     id: Id,
/// }
///
/// impl IntoInput for TaskInput {
///     type Input = inputs::TaskInput;
///
///     fn into_input(self) -> Result<inputs::TaskInput, NotAnId> {
///         Ok(inputs::TaskInput { id: self.id.into_input().map_err(|wrong| wrong.inside("id"))? })
///     }
/// }
/// ```
macro_rules! input_objects {
    ($(
        $(#[$doc:meta])+
        input $name:ident {
            $($(#[$field_doc:meta])+ $field:ident: $type:ty,)+
        } $(patch {
            $($(#[$patch_doc:meta])+ $patch:ident: $patched:ty,)+
        })?
    )+) => {$(
        $(#[$doc])+
        #[derive(InputObject)]
        pub struct $name {
            $($(#[$field_doc])+ $field: $type,)+
            $($($(#[$patch_doc])+ $patch: MaybeUndefined<$patched>,)+)?
        }

        impl IntoInput for $name {
            type Input = inputs::$name;

            fn into_input(self) -> Result<inputs::$name, NotAnId> {
                Ok(inputs::$name {
                    $($field: self.$field.into_input().map_err(|wrong| wrong.inside(stringify!($field)))?,)+
                    $($($patch: self.$patch.into_input().map_err(|wrong| wrong.inside(stringify!($patch)))?,)+)?
                })
            }
        }
    )+};
}

application::all_inputs!(input_objects);

/// A value of the schema that the application takes as an input.
pub(crate) trait IntoInput {
    type Input;

    fn into_input(self) -> Result<Self::Input, NotAnId>;
}

/// An id that is not a UUID. Scalars are checked before; an `ID` may be any text.
#[derive(Debug)]
pub(crate) struct NotAnId {
    given: ID,
    /// The fields around it, the innermost first.
    fields: Vec<&'static str>,
}

impl NotAnId {
    fn inside(mut self, field: &'static str) -> Self {
        self.fields.push(field);
        self
    }

    /// The error about the request.
    pub(crate) fn error(&self) -> Error {
        let path: Vec<String> = self.fields.iter().rev().map(|field| camel_case(field)).collect();
        let shown: String = self.given.chars().take(SHOWN_CHARS_MAX).collect();
        bad_input(&path.iter().map(String::as_str).collect::<Vec<_>>(), format!("{shown:?} is not a UUID"))
    }
}

/// The name that a field of Rust has in the schema.
fn camel_case(field: &str) -> String {
    let mut parts = field.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (initial, rest) = part.split_at(part.len().min(1));
        name + &initial.to_uppercase() + rest
    })
}

impl IntoInput for ID {
    type Input = Uuid;

    fn into_input(self) -> Result<Uuid, NotAnId> {
        Uuid::parse_str(&self).map_err(|_| NotAnId { given: self, fields: vec![] })
    }
}

impl<T: IntoInput> IntoInput for Option<T> {
    type Input = Option<T::Input>;

    fn into_input(self) -> Result<Self::Input, NotAnId> {
        self.map(T::into_input).transpose()
    }
}

impl<T: IntoInput> IntoInput for Vec<T> {
    type Input = Vec<T::Input>;

    fn into_input(self) -> Result<Self::Input, NotAnId> {
        self.into_iter().map(T::into_input).collect()
    }
}

impl<T: IntoInput> IntoInput for MaybeUndefined<T> {
    type Input = Patch<T::Input>;

    fn into_input(self) -> Result<Self::Input, NotAnId> {
        Ok(match self {
            Self::Undefined => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Value(value) => Patch::Value(value.into_input()?),
        })
    }
}

/// Values that become inputs as they are, in a word: `i32 => i64: i64::from` for the type, the input, and the way there.
macro_rules! values {
    ($($type:ty => $input:ty: $convert:expr,)+) => {$(
        impl IntoInput for $type {
            type Input = $input;

            fn into_input(self) -> Result<$input, NotAnId> {
                let convert: fn($type) -> $input = $convert;
                Ok(convert(self))
            }
        }
    )+};
}

values! {
    i32 => i64: i64::from,
    String => String: |text| text,
    Date => NaiveDate: |date| date.0,
    DateTime => Instant: |at| Instant(at.0.into()),
    TimeZone => String: |zone| zone.0,
    TaskPriority => Wire<values::Priority>: |priority| Wire(priority.into()),
    TaskStatus => Wire<Status>: |status| Wire(status.into()),
    CollaboratorRole => Wire<values::CollaboratorRole>: |role| Wire(role.into()),
    ThresholdUnit => Wire<values::ThresholdUnit>: |unit| Wire(unit.into()),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_the_same_name_as_in_the_schema() {
        assert_eq!(["id", "command_id", "estimate_minutes"].map(camel_case), ["id", "commandId", "estimateMinutes"]);
    }
}
