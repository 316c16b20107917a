//! Which fields an event changed and a command would set. A stale command conflicts only where these meet.

/// A set of field names, as callers know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    /// The whole aggregate, as in a deletion.
    All,
    /// These.
    Some(Vec<&'static str>),
}

impl Fields {
    /// One field.
    pub fn one(name: &'static str) -> Self {
        Self::Some(vec![name])
    }

    /// The fields whose condition holds.
    pub fn which<const N: usize>(set: [(&'static str, bool); N]) -> Self {
        Self::Some(set.into_iter().filter_map(|(name, given)| given.then_some(name)).collect())
    }

    /// All of these fields, whether or not their condition holds.
    pub fn named<const N: usize>(set: [(&'static str, bool); N]) -> Self {
        Self::Some(set.map(|(name, _)| name).into())
    }

    /// The names that both contain. `All` overlaps with everything.
    pub fn shared(&self, other: &Self) -> Vec<&'static str> {
        match (self, other) {
            (Self::All, Self::All) => vec!["everything"],
            (Self::All, Self::Some(names)) | (Self::Some(names), Self::All) => names.clone(),
            (Self::Some(mine), Self::Some(theirs)) => mine.iter().copied().filter(|name| theirs.contains(name)).collect(),
        }
    }
}
