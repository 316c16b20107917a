//! Which units may share a batch.
//!
//! Two units are tangled when one writes what the other writes or relies on: a stream, a claim, a command id. The append
//! function judges units against what was there before the batch, so the later of two tangled units waits for the next.

use super::batch::EncodedUnit;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// What the units of a batch touch, as hashes: a rare collision only makes a unit wait in vain.
#[derive(Default)]
pub(crate) struct Touched {
    hasher: RandomState,
    written: HashSet<u64>,
    relied_on: HashSet<u64>,
}

#[derive(Hash)]
enum Thing<'a> {
    Stream(uuid::Uuid),
    Command(uuid::Uuid, i16, uuid::Uuid),
    Claim(uuid::Uuid, &'static str, &'a str),
}

impl Touched {
    /// Takes a unit in, unless it is tangled with one that is in already.
    pub(crate) fn admit(&mut self, encoded: &EncodedUnit) -> bool {
        let unit = &encoded.unit;
        let workspace = unit.workspace.0;
        let streams = unit.events.iter().map(|new| Thing::Stream(new.aggregate_id));
        let command = unit.key.iter().map(|key| Thing::Command(workspace, key.source.number(), key.id));
        let claims = unit.claims.iter().chain(&unit.releases).map(|claim| Thing::Claim(workspace, claim.kind, &claim.value));
        let writes: Vec<u64> = streams.chain(command).chain(claims).map(|thing| self.hasher.hash_one(thing)).collect();
        let relies_on: Vec<u64> = unit.guards.iter().map(|guard| self.hasher.hash_one(Thing::Stream(guard.aggregate_id))).collect();

        let tangled = writes.iter().any(|thing| self.written.contains(thing) || self.relied_on.contains(thing))
            || relies_on.iter().any(|thing| self.written.contains(thing));
        if !tangled {
            self.written.extend(writes);
            self.relied_on.extend(relies_on);
        }
        !tangled
    }
}
