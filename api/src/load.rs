//! Limits on concurrent work: requests, and the bytes of their bodies and answers in memory. Each principal (an actor
//! in a workspace) has its share, so that one client leaves room for the others, and the node has a limit in total.

use crate::limits::Limits;
use application::caller::Caller;
use domain::ids::{UserId, WorkspaceId};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Large answers that are made at a time for one principal. They take turns on the processors with everybody else's.
pub(crate) const LARGE_ANSWERS: usize = 8;
/// The time after which a client should retry.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

type Principal = (UserId, WorkspaceId);

/// Everything that is under way on this node.
pub(crate) struct Load {
    limits: Limits,
    /// How many connections to the database one principal may use at a time.
    reading: usize,
    shares: Mutex<Shares>,
}

struct Shares {
    node: Amount,
    principals: HashMap<Principal, Share>,
    /// The metrics of the node.
    requests: metrics::Gauge,
    reserved: metrics::Gauge,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    requests: usize,
    bytes: usize,
}

struct Share {
    amount: Amount,
    turns: Turns,
}

/// The concurrent work of one principal.
#[derive(Clone)]
struct Turns {
    /// Statements that read lists.
    reading: Arc<Semaphore>,
    /// Large answers.
    making: Arc<Semaphore>,
}

/// A limit on concurrent work is reached, so a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overload {
    /// The limit that is reached, and what it allows.
    pub(crate) limit: &'static str,
    pub(crate) allowed: usize,
    /// Whether it is a limit of the node rather than of the principal.
    pub(crate) of_node: bool,
}

/// Why bytes are not reserved for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReserved {
    /// The limit is reached now. There may be room once others are released.
    Now(Overload),
    /// The request alone exceeds the limit, so waiting does not help: the limit, the bytes of the request, and the
    /// allowed bytes.
    Never(&'static str, usize, usize),
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, allowed, of_node } = *self;
        let whose = if of_node { "this node" } else { "you" };
        write!(f, "too many requests in progress for {whose}: {limit} is at its limit of {allowed}; wait for responses, or try again later")
    }
}

impl Load {
    /// Starts empty. A principal may use half of the connections to the database.
    pub(crate) fn new(limits: Limits, connections: u32) -> Arc<Self> {
        let reading = usize::try_from(connections / 2).unwrap_or(1).max(1);
        let (requests, reserved) = (metrics::gauge!("milepost_api_requests"), metrics::gauge!("milepost_api_held_bytes"));
        let shares = Shares { node: Amount::default(), principals: HashMap::new(), requests, reserved };
        Arc::new(Self { limits, reading, shares: Mutex::new(shares) })
    }

    /// Admits a request.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller) -> Result<Arc<Underway>, Overload> {
        let principal = (caller.actor, caller.workspace);
        let mut shares = self.shares();
        let Shares { node, principals, .. } = &mut *shares;
        let had = principals.get(&principal).map_or(0, |share| share.amount.requests);
        let over = |limit, allowed, of_node| Err(Overload { limit, allowed, of_node });
        if had >= self.limits.principal_requests {
            return over("principalRequests", self.limits.principal_requests, false);
        }
        if node.requests >= self.limits.node_requests {
            return over("nodeRequests", self.limits.node_requests, true);
        }
        let share = principals.entry(principal).or_insert_with(|| Share {
            amount: Amount::default(),
            turns: Turns { reading: Arc::new(Semaphore::new(self.reading)), making: Arc::new(Semaphore::new(LARGE_ANSWERS)) },
        });
        share.amount.requests += 1;
        node.requests += 1;
        let turns = share.turns.clone();
        shares.show();
        Ok(Arc::new(Underway { load: Arc::clone(self), principal, turns, bytes: AtomicUsize::new(0) }))
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shares {
    fn show(&self) {
        self.requests.set(self.node.requests as f64);
        self.reserved.set(self.node.bytes as f64);
    }
}

/// A request that is under way, until the last byte of its answer is written or the connection is closed.
pub(crate) struct Underway {
    load: Arc<Load>,
    principal: Principal,
    turns: Turns,
    bytes: AtomicUsize,
}

impl Underway {
    /// Reserves more bytes, unless a limit is reached.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<(), NotReserved> {
        self.change(|before| before.saturating_add(bytes))
    }

    /// Replaces the reservation by another size, unless a limit is reached; then nothing is reserved.
    pub(crate) fn replace_reserved(&self, bytes: usize) -> Result<(), NotReserved> {
        self.change(|_| bytes).inspect_err(|_| self.reserve_beyond_limits(0))
    }

    /// Replaces the reservation by another size, also beyond the limits.
    pub(crate) fn reserve_beyond_limits(&self, bytes: usize) {
        self.set(&mut self.load.shares(), bytes);
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) -> Result<(), NotReserved> {
        let limits = &self.load.limits;
        let mut shares = self.load.shares();
        let before = self.bytes.load(Ordering::Relaxed);
        let bytes = change(before);
        let after = |amount: Amount| (amount.bytes - before).saturating_add(bytes);
        let of_principal = shares.principals.get(&self.principal).map_or(0, |share| after(share.amount));
        for (limit, all, allowed, of_node) in
            [("principalBytes", of_principal, limits.principal_bytes, false), ("nodeBytes", after(shares.node), limits.node_bytes, true)]
        {
            if bytes > before && bytes > allowed {
                return Err(NotReserved::Never(limit, bytes, allowed));
            }
            if bytes > before && all > allowed {
                return Err(NotReserved::Now(Overload { limit, allowed, of_node }));
            }
        }
        self.set(&mut shares, bytes);
        Ok(())
    }

    fn set(&self, shares: &mut Shares, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let Shares { node, principals, .. } = shares;
        let of_principal = principals.get_mut(&self.principal).map(|share| &mut share.amount);
        for amount in of_principal.into_iter().chain([node]) {
            amount.bytes = amount.bytes - before + bytes;
        }
        shares.show();
    }

    /// Waits for a permit to read a list. It is held until it is dropped.
    pub(crate) async fn reading(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns.reading).acquire_owned().await.ok()
    }

    /// Waits for a permit to continue a large answer.
    pub(crate) async fn making(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns.making).acquire_owned().await.ok()
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut shares = self.load.shares();
        self.set(&mut shares, 0);
        shares.node.requests -= 1;
        if let Some(share) = shares.principals.get_mut(&self.principal) {
            share.amount.requests -= 1;
            if share.amount.requests == 0 {
                shares.principals.remove(&self.principal);
            }
        }
        shares.show();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing::LIMITS;
    use application::caller::Role;
    use uuid::Uuid;

    fn somebody(number: u128) -> Caller {
        Caller { actor: UserId(Uuid::from_u128(number)), workspace: WorkspaceId(Uuid::from_u128(7)), role: Role::Viewer }
    }

    fn load() -> Arc<Load> {
        let limits = Limits { principal_requests: 2, node_requests: 3, principal_bytes: 100, node_bytes: 150, ..LIMITS };
        Load::new(limits, 16)
    }

    #[test]
    fn requests_are_bounded_of_a_principal_and_of_the_node() {
        let load = load();
        let first = [load.enter(&somebody(1)), load.enter(&somebody(1))];
        assert!(first.iter().all(Result::is_ok));
        let expected = Overload { limit: "principalRequests", allowed: 2, of_node: false };
        assert_eq!(load.enter(&somebody(1)).err(), Some(expected));
        // Another workspace is another principal.
        let elsewhere = Caller { workspace: WorkspaceId(Uuid::from_u128(8)), ..somebody(1) };
        let other = load.enter(&elsewhere).expect("the node has room");
        let expected = Overload { limit: "nodeRequests", allowed: 3, of_node: true };
        assert_eq!(load.enter(&somebody(2)).err(), Some(expected));
        drop(other);
        assert!(load.enter(&somebody(2)).is_ok());
    }

    #[test]
    fn bytes_are_held_until_the_request_ends() {
        let load = load();
        let enter = |number| load.enter(&somebody(number)).expect("room");
        let (one, other, two) = (enter(1), enter(1), enter(2));
        assert_eq!((one.reserve(99), other.reserve(1)), (Ok(()), Ok(())));
        assert_eq!(other.reserve(1), Err(NotReserved::Now(Overload { limit: "principalBytes", allowed: 100, of_node: false })));
        assert_eq!(two.reserve(51), Err(NotReserved::Now(Overload { limit: "nodeBytes", allowed: 150, of_node: true })));
        assert_eq!(one.replace_reserved(40), Ok(()));
        assert_eq!(two.reserve(51), Ok(()));
        drop((one, other));
        assert_eq!(two.reserve(49), Ok(()));
        drop(two);
        let shares = load.shares();
        assert_eq!((shares.node, shares.principals.len()), (Amount::default(), 0), "nobody is remembered who has nothing under way");
    }

    #[test]
    fn an_answer_is_held_instead_of_what_it_was_made_of() {
        let load = load();
        let (one, other) = (load.enter(&somebody(1)).expect("room"), load.enter(&somebody(1)).expect("room"));
        assert_eq!((other.reserve(1), one.reserve(80), one.replace_reserved(90)), (Ok(()), Ok(()), Ok(())));
        let expected = Err(NotReserved::Now(Overload { limit: "principalBytes", allowed: 100, of_node: false }));
        assert_eq!(one.replace_reserved(100), expected);
        assert_eq!(one.reserve(99), Ok(()), "what did not fit is not in memory");
        one.reserve_beyond_limits(120);
        assert_eq!((other.reserve(1), one.replace_reserved(110)), (expected, Ok(())), "less is never refused");
    }

    #[test]
    fn what_one_request_can_never_hold_is_no_reason_to_wait() {
        let load = load();
        let one = load.enter(&somebody(1)).expect("room");
        assert_eq!(one.reserve(101), Err(NotReserved::Never("principalBytes", 101, 100)));
        assert_eq!(one.reserve(100), Ok(()));
        // Other principals are not affected, with or without reservations.
        let other = load.enter(&somebody(1)).expect("room");
        let waits = Err(NotReserved::Now(Overload { limit: "principalBytes", allowed: 100, of_node: false }));
        assert_eq!((other.reserve(100), other.reserve(101)), (waits, Err(NotReserved::Never("principalBytes", 101, 100))));
        assert_eq!(one.reserve(1), Err(NotReserved::Never("principalBytes", 101, 100)));
        assert_eq!((one.replace_reserved(101), one.reserve(100)), (Err(NotReserved::Never("principalBytes", 101, 100)), Ok(())));
    }
}
