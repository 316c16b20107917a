//! Every read model there is, in one list.

use crate::activity::Activity;
use crate::deadline_log::DeadlineLog;
use crate::model::ReadModel;
use crate::project_overview::ProjectOverview;
use crate::schedules::Schedules;
use crate::task_comments::TaskComments;
use crate::task_list::TaskList;

/// Something to be done for every read model.
pub trait ForEach {
    fn read_model<M: ReadModel>(&mut self);
}

/// Does something for every read model, in the order in which they are listed.
pub fn for_each(what: &mut impl ForEach) {
    what.read_model::<ProjectOverview>();
    what.read_model::<TaskList>();
    what.read_model::<TaskComments>();
    what.read_model::<Schedules>();
    what.read_model::<DeadlineLog>();
    what.read_model::<Activity>();
}
