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

#[cfg(test)]
mod tests {
    use super::{ForEach, for_each};
    use crate::model::{KeysToLoad, ReadModel};
    use crate::testing::goldens;
    use std::collections::BTreeSet;

    /// How many read models were compared.
    #[derive(Default)]
    struct Compared(usize);

    impl ForEach for Compared {
        fn read_model<M: ReadModel>(&mut self) {
            let goldens = goldens();
            let changes_something = goldens.iter().filter(|event| !KeysToLoad::<M>::of([*event]).is_empty());
            let have_an_effect: BTreeSet<_> = changes_something.map(|event| event.event.name()).collect();
            assert_eq!(have_an_effect, M::event_types().into_iter().collect(), "{}", M::NAME);
            self.0 += 1;
        }
    }

    #[test]
    fn a_read_model_uses_exactly_the_events_that_change_its_rows() {
        let mut compared = Compared::default();
        for_each(&mut compared);
        assert!(compared.0 > 0, "no read model was compared");
    }
}
