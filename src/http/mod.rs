#![doc = include_str!("http.md")]
#![doc = include_str!("bodies.md")]

mod after_body;
mod answer;
mod arrive;
mod buffered;
mod coded;
mod deadline;
mod extensions;
mod fault;
mod head;
pub(crate) mod idempotent;
#[cfg(feature = "keyed")]
pub mod keys;
pub(crate) mod on_code;
mod on_status;
mod preset;
mod replay_body;
mod respond;
mod retry_after;
mod sent;
mod worded;

pub use after_body::{AfterBody, Judged, after_body};
pub use answer::{Answer, response};
pub use arrive::{Arrive, Arriving, arrive};
pub use buffered::{Buffered, KeptRequest, Replayed};
pub use coded::Coded;
pub use deadline::DeadlineHeader;
pub use extensions::{FellBack, InExtensions};
pub use fault::{Adapt, AdaptBy, Adapted, AdaptedBy, Fault};
pub use head::{RequestHead, ResponseHead};
pub use idempotent::Idempotent;
pub use on_code::OnCode;
pub use on_status::OnStatus;
pub use replay_body::{KeptBody, ReplayBody};
pub use respond::{Respond, Responded, Responding, Usual, respond};
pub use retry_after::{RetryAfter, retry_after};
pub use sent::{Requested, Sent};
pub use worded::{Asked, Worded};
