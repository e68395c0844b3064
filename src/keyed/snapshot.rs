use super::config::Config;
use crate::error::InvalidConfig;

/// One policy per key at a glance: `S` is what each policy shows of itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot<K, S> {
    /// Its name.
    pub policy: &'static str,
    /// Every key with a policy of its own, those first that came first. Sort it by what matters, and
    /// the first few are the top keys.
    pub keys: Vec<(K, S)>,
    /// The policy that keys share for which there was no place, once there is one.
    pub shared: Option<S>,
    /// The settings in force.
    pub config: Config,
    /// Keys evicted that were idle and had not been used for [`idle_for`](Config::idle_for), ever.
    pub evicted_unused: u64,
    /// Idle keys evicted to make room for another, ever.
    pub evicted_for_room: u64,
    /// Keys evicted though they were not idle, since they came first, ever.
    pub evicted_oldest: u64,
    /// Calls that ran under the shared policy, ever, those that it refused included. All calls of one
    /// [`ForKey`](super::ForKey) count as one, here as below.
    pub shared_calls: u64,
    /// Calls refused for want of a place, ever.
    pub rejected: u64,
    /// How often a key's own settings broke a rule, so that it has the template's, ever.
    pub faulty_settings: u64,
    /// What was wrong with them the first time.
    pub first_fault: Option<InvalidConfig>,
}
