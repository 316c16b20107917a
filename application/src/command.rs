//! The commands that callers send: one for each mutation, under the mutation's name, with its input object.
//!
//! GraphQL, the import and every later entry point read the same inputs and check them by the same rules. A new command is a row in
//! [the table](crate::command_table), an input of its aggregate, and a command of the domain.

mod table;
mod uses;

pub(crate) use uses::{Resource, Uses};

use crate::access::Need;
use crate::error::CommandError;
use crate::executor::{Checked, Executable, Executor, Outcome, Requirement, Submission};
use crate::input::Refusal;
use crate::inputs::*;
use crate::ports::Ids;
use domain::aggregates::*;
use domain::ids::UserId;
use domain::values::CollaboratorRole::{Editor, Manager, Owner, Viewer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What is decided once for each command. A column that is left out does not compile, at its row.
struct Row<I, A: Executable> {
    /// What it requires of a member of the workspace.
    needs: Need,
    /// What it changes and depends on: lines of an import that share none of it are carried out at the same time.
    uses: fn(&I) -> Uses,
    /// How the input becomes a command for the aggregate. `Ids` are for what it creates inside the aggregate.
    request: fn(I, &dyn Ids) -> Checked<A::DomainCommand>,
}

/// Makes [`Command`] of the rows. Of `TaskComplete(TaskInput) -> Task = "taskComplete" => Row { .. }` it makes
///
/// ```text
/// enum Command { #[serde(rename = "taskComplete")] TaskComplete(TaskInput), .. }
/// const TaskComplete: Row<TaskInput, Task> = Row { .. };
/// fn need(&self) -> Need { match self { Self::TaskComplete(_) => rows::TaskComplete.needs, .. } }
/// ```
///
/// and one such arm in each of the functions below.
macro_rules! define_commands {
    ($($(#[$doc:meta])+ $variant:ident($input:ident) -> $aggregate:ident = $name:literal => $row:expr,)+) => {
        /// One command with its input.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "command", content = "input")]
        pub enum Command {
            $($(#[$doc])+ #[serde(rename = $name)] $variant($input),)+
        }

        /// The rows, under the names of their commands.
        #[allow(non_upper_case_globals)]
        mod rows {
            use super::*;
            $(pub(super) const $variant: Row<$input, $aggregate> = $row;)+
        }

        impl Command {
            /// Every name, in the order of the contract.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The mutation's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// What it requires of a member of the workspace.
            pub fn need(&self) -> Need {
                match self { $(Self::$variant(_) => rows::$variant.needs,)+ }
            }

            /// What it changes and depends on.
            pub(crate) fn uses(&self) -> Uses {
                match self { $(Self::$variant(input) => (rows::$variant.uses)(input),)+ }
            }

            /// The names of the fields of its input.
            pub(crate) fn input_fields(&self) -> &'static [&'static str] {
                match self { $(Self::$variant(_) => $input::FIELDS,)+ }
            }

            /// The id that makes it safe to send the command again.
            pub fn command_id(&self) -> Option<Uuid> {
                match self { $(Self::$variant(input) => input.command_id,)+ }
            }

            /// Sets that id, for entry points that carry it beside the input.
            pub fn set_command_id(&mut self, id: Option<Uuid>) {
                match self { $(Self::$variant(input) => input.command_id = id,)+ }
            }

            /// Checks the input, and lets the executor carry out the command on its aggregate.
            pub(crate) async fn carry_out(self, executor: &Executor, submission: Submission<'_>) -> Result<Outcome, CommandError> {
                let requirement = Requirement { command: self.name(), need: self.need() };
                match self {
                    $(Self::$variant(input) => {
                        let request = (rows::$variant.request)(input, &*executor.ids).map_err(CommandError::Refused)?;
                        executor.decide::<$aggregate>(submission, requirement, request).await
                    })+
                }
            }

            /// Checks the input, and does no more.
            pub(crate) fn check(self, ids: &dyn Ids) -> Result<(), Vec<Refusal>> {
                match self { $(Self::$variant(input) => (rows::$variant.request)(input, ids).map(|_| ()),)+ }
            }
        }
    };
}

crate::command_table!(define_commands);

impl Command {
    /// The request as 32 bytes: its name, its input as sent and its sender. Generated values and the command id are left out, so
    /// the same request has the same bytes whenever it is sent, and any other request has others.
    pub fn request_hash(&self, actor: UserId) -> [u8; 32] {
        let mut request = self.clone();
        request.set_command_id(None);
        let request = serde_json::to_vec(&request).expect("inputs hold only what JSON can hold");
        let mut hash = Sha256::new();
        hash.update(actor.0.as_bytes());
        hash.update(request);
        hash.finalize().into()
    }
}

/// A due date without a zone ends in the zone of its project, which a move of its task may change.
fn schedule_reschedule_uses(input: &ScheduleRescheduleInput) -> Uses {
    let uses = Uses::new().changes(Some(input.id));
    if input.due.date.is_some() && input.due.time_zone.is_none() { uses.changes_places() } else { uses }
}

#[cfg(test)]
mod tests;
