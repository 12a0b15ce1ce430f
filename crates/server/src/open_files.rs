//! How many files the system lets this process have open, and how many clients that makes.
//!
//! A process begins with a limit that suits most programs, often 1,024; what it may raise it to is far above. Redis
//! raises it to what `maxclients` needs, and so do we.
//!
//! Owns the process' limit of open files. Never counts clients, never closes anything.

use std::num::NonZeroUsize;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside clients, as Redis has it: listening sockets, the master's, the spool, logs.
const RESERVED: u64 = 32;

/// What waiting for sockets takes on each of the workers' threads.
const EACH_WORKER: u64 = 4;

/// Raises the limit so that there may be `clients` of them. Says how many there may be: all, or fewer where the system
/// does not let us.
pub(crate) fn make_room(clients: u32) -> u32 {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let reserved = RESERVED + EACH_WORKER * u64::try_from(workers).unwrap_or(1);
    let needed = u64::from(clients) + reserved;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let may_be_open = match current {
        Some(current) if current < needed => {
            let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
            if raised.is_ok() { wanted } else { current }
        }
        _ => return clients,
    };
    u32::try_from(may_be_open.saturating_sub(reserved)).unwrap_or(clients).clamp(1, clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_allows_is_what_there_may_be() {
        let most = getrlimit(Resource::Nofile).maximum;
        assert_eq!(make_room(1), 1);
        let all = make_room(u32::MAX);
        match most {
            Some(most) if most < u64::from(u32::MAX) => {
                assert!(u64::from(all) < most);
                assert_eq!(
                    getrlimit(Resource::Nofile).current,
                    Some(most),
                    "it was raised as far as it goes"
                );
                assert_eq!(make_room(all), all);
            }
            _ => assert_eq!(all, u32::MAX),
        }
    }
}
