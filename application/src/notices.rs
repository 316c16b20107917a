//! What an admin should know: each notice has a name for programs and one sentence for people.
//!
//! The names are a closed set. `docs/FAILURES.md` has a section for each, which says what it means and what to do, and
//! the metric `milepost_notice` has a series for each.

/// Something that an admin should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub name: NoticeName,
    /// One true, current sentence with the cause, the name of what is concerned, and the fix where there is one.
    pub message: String,
}

impl Notice {
    pub fn new(name: NoticeName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}

/// Declares the names with their words, so that the list cannot lack one.
macro_rules! notice_names {
    ($($(#[$what:meta])* $name:ident = $word:literal,)*) => {
        /// Which notice.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum NoticeName {
            $($(#[$what])* $name,)*
        }

        impl NoticeName {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as programs and documents write it.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

notice_names! {
    /// The node is shutting down.
    Stopping = "stopping",
    /// The database does not answer, or refuses to be read.
    DatabaseUnreachable = "database_unreachable",
    /// The database takes no writes: it is a standby, or read-only by a setting.
    DatabaseReadOnly = "database_read_only",
    /// The node's leases can be neither taken nor renewed, though the database can be read.
    LeasesNotRenewed = "leases_not_renewed",
    /// The database takes no events.
    AppendsRefused = "appends_refused",
    /// The log went back: events that this node knew are not in it any more.
    LogWentBack = "log_went_back",
    /// A read model is being built for the rules of this node's program.
    ReadModelBuilding = "read_model_building",
    /// A read model is behind the log and does not advance.
    ReadModelStuck = "read_model_stuck",
    /// The live version of a read model was built by other rules than those of this node's program.
    ReadModelOfOtherRules = "read_model_of_other_rules",
    /// The live version of a read model was not built from this log.
    ReadModelOfOtherLog = "read_model_of_other_log",
    /// Events wait because a read model could not apply one of them.
    ReadModelEventsParked = "read_model_events_parked",
    /// A reaction waits, or is behind the log and does not advance.
    ReactionStuck = "reaction_stuck",
    /// Events wait because a reaction could not answer one of them.
    ReactionEventsParked = "reaction_events_parked",
    /// Schedules are due in the read model and not by their events.
    SchedulesDisagree = "schedules_disagree",
    /// The relay cannot send to Kafka.
    RelayStuck = "relay_stuck",
    /// A topic has more partitions than the catalogue says.
    TopicPartitionsDiffer = "topic_partitions_differ",
    /// A topic has one copy of each partition although there are several brokers.
    TopicOneCopy = "topic_one_copy",
    /// The relay's record on Kafka and the log do not agree.
    RelayRefuses = "relay_refuses",
    /// The relay is before an event that it cannot send.
    RelayStopped = "relay_stopped",
}
