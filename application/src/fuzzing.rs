//! What a fuzzer drives: lines of an import. `fuzz/` holds the fuzzers, and describes how to run them.

use crate::caller::{Caller, Role};
use crate::command::Command;
use crate::import::parse;
use crate::ports::Ids;
use chrono::DateTime;
use domain::ids::{UserId, WorkspaceId};
use uuid::Uuid;

/// Gives the same id every time.
struct SameId;

impl Ids for SameId {
    fn new_id(&self) -> Uuid {
        Uuid::from_u128(3)
    }
}

/// A line is understood as a command with an id, or refused in words.
pub fn import_line(line: &[u8]) {
    let caller = Caller { actor: UserId(Uuid::from_u128(1)), workspace: WorkspaceId(Uuid::from_u128(2)), role: Role::Service };
    let now = DateTime::from_timestamp_millis(1_900_000_000_000).expect("a moment of our time");
    match parse(line, 1, &caller, now) {
        Ok(parsed) => {
            let command = match parsed.command {
                Ok(command) => command,
                Err(refusal) => return assert!(!refusal.message.is_empty(), "refused without a reason"),
            };
            let id = command.command_id().expect("a command of an import has an id");
            let written = serde_json::to_value(&command).expect("a command can be written down");
            let mut again: Command = serde_json::from_value(written).expect("it reads");
            again.set_command_id(Some(id));
            assert_eq!(again, command, "it means something else when it is read again");
            if let Err(refusals) = command.check(&SameId) {
                assert!(!refusals.is_empty(), "refused without a reason");
                assert!(refusals.iter().all(|refusal| !refusal.message.is_empty() && !refusal.path.is_empty()), "{refusals:?}");
            }
        }
        Err(reject) => {
            assert!(!reject.message.is_empty(), "refused without a reason");
            serde_json::to_string(&reject).expect("a reject can be written down");
        }
    }
}
