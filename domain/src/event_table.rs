//! The table of an aggregate's events, and the adapter to cqrs-es: everything that a row states is stated only there.

/// The events of an aggregate: a row for each, with its stored and published name and the fields that it can change, by
/// the names callers use. A name never changes.
///
/// ```ignore
/// events! {
///     /// One fact about a schedule.
///     pub enum ScheduleEvent {
///         ScheduleDeleted(ScheduleDeleted) = "schedule_deleted", sets Fields::All;
///         DeadlineMet(Box<DeadlineMet>) = "deadline_met", was [deadline_with_assignees], sets Fields::one("state");
///     }
/// }
/// ```
///
/// `was` lists the upcasters of an event, oldest first: its version is one more than they are, so that it cannot be raised
/// without one. The two rows above become
///
/// ```ignore
/// /// One fact about a schedule.
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub enum ScheduleEvent {
///     #[serde(rename = "schedule_deleted")]
///     ScheduleDeleted(ScheduleDeleted),
///     #[serde(rename = "deadline_met")]
///     DeadlineMet(Box<DeadlineMet>),
/// }
///
/// impl ScheduleEvent {
///     pub const NAMES: [&'static str; 2] = ["schedule_deleted", "deadline_met"];
///
///     pub fn name(&self) -> &'static str {
///         match self {
///             Self::ScheduleDeleted(_) => "schedule_deleted",
///             Self::DeadlineMet(_) => "deadline_met",
///         }
///     }
///
///     pub fn fields_of(name: &str) -> Option<Fields> {
///         match name {
///             "schedule_deleted" => Some(Fields::All),
///             "deadline_met" => Some(Fields::one("state")),
///             _ => None,
///         }
///     }
///
///     pub(crate) fn upcasters(name: &str) -> Option<&'static [Upcaster]> {
///         match name {
///             "schedule_deleted" => Some(&[]),
///             "deadline_met" => Some(&[deadline_with_assignees]),
///             _ => None,
///         }
///     }
///
///     pub fn version(&self) -> EventVersion {
///         match self {
///             Self::ScheduleDeleted(_) => EventVersion::newest("schedule_deleted", &[]),
///             Self::DeadlineMet(_) => EventVersion::newest("deadline_met", &[deadline_with_assignees]),
///         }
///     }
/// }
///
/// impl cqrs_es::DomainEvent for ScheduleEvent { … } // by `name` and `version`
/// ```
macro_rules! events {
    (
        $(#[$doc:meta])*
        pub enum $events:ident {
            $($variant:ident($data:ty) = $name:literal, $(was [$($upcaster:path),+],)? sets $fields:expr;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub enum $events {
            $(#[serde(rename = $name)] $variant($data),)+
        }

        impl $events {
            /// Every name, in the order of the variants.
            pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];

            /// The stored and published name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// All fields that an event of this name can change, whatever it holds.
            pub fn fields_of(name: &str) -> Option<$crate::fields::Fields> {
                match name { $($name => Some($fields),)+ _ => None }
            }

            /// How the older shapes of an event of this name are brought up to date.
            pub(crate) fn upcasters(name: &str) -> Option<&'static [$crate::shapes::Upcaster]> {
                match name { $($name => Some(&[$($($upcaster),+)?]),)+ _ => None }
            }

            /// The version in which it is stored and published.
            pub fn version(&self) -> $crate::shapes::EventVersion {
                match self { $(Self::$variant(_) => $crate::shapes::EventVersion::newest($name, &[$($($upcaster),+)?]),)+ }
            }
        }

        impl cqrs_es::DomainEvent for $events {
            fn event_type(&self) -> String {
                self.name().to_owned()
            }

            fn event_version(&self) -> String {
                self.version().to_string()
            }
        }
    };
}

/// Makes a state an aggregate of cqrs-es.
///
/// `aggregate!(Task: "task", Issued<TaskCommand, TaskContext>, TaskEvent, TaskError);` stands in the module that has `decide` and
/// `evolve`, and becomes `impl cqrs_es::Aggregate for Task` with `TYPE = "task"`, the types `Command`, `Event` and `Error` in
/// this order, `handle` by `decide`, and `apply` by `evolve`.
macro_rules! aggregate {
    ($state:ident: $word:literal, $command:ty, $event:ty, $error:ty) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $word;
            type Command = $command;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(&mut self, command: $command, (): &(), sink: &cqrs_es::event_sink::EventSink<Self>) -> Result<(), $error> {
                for event in decide(self, command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: $event) {
                *self = evolve(std::mem::take(self), event);
            }
        }
    };
}
