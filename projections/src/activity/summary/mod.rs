//! Describes an event in a sentence without a subject: the caller that shows it knows the user and the object.

mod project;
mod schedule;
mod task;
mod words;

use domain::event::Event;

/// What the sentences of all aggregates are in: as one of them changes, this does.
pub(super) const VERSION: u32 = project::VERSION + task::VERSION + schedule::VERSION;

/// A description of the event, such as `moved it from todo to in_progress`.
pub fn summary(event: &Event) -> String {
    match event {
        Event::Project(event) => project::summary(event),
        Event::Task(event) => task::summary(event),
        Event::Schedule(event) => schedule::summary(event),
    }
}
