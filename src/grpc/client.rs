//! A channel behind a pipeline.

use tower::Layer;

use super::correct::{Correct, Corrected};
use crate::{
    guard::{EndWith, with_ending},
    http::{Adapted, AfterBody, Buffered, DeadlineHeader, OnCode, Responding, respond},
    pipeline::{NoFallback, Resilient},
};

/// What [`client`] makes of a channel `S` and a pipeline that was built with
/// [`grpc`](crate::pipeline::Builder::grpc), for a struct's field: `HealthClient<grpc::Client<Channel>>`.
pub type Client<S> = Responding<
    Resilient<Adapted<Corrected<S>>, OnCode, Buffered, DeadlineHeader, NoFallback, AfterBody>,
>;

/// Puts a channel behind a policy: what a generated client's `new` takes in a channel's place.
///
/// It is `respond(after_body(policy)).layer(Correct.layer(channel))`: calls end with their trailers
/// ([`after_body`]), what the policy refuses is a response with a code ([`respond`]), and so is what ran out
/// of time, whoever noticed ([`Correct`]). Its error is the channel's own. Any layer with admission will do; a
/// pipeline or a guard that replays, judges and carries deadlines as gRPC does comes from
/// [`grpc`](crate::pipeline::Builder::grpc).
///
/// The code in trailers is judged as [`OnCode::new`] says, whatever the policy's own classifier: that judges
/// heads, and there is none left when trailers come. A policy with codes of its own goes into
/// [`client_with`].
///
/// [`after_body`]: crate::http::after_body
///
/// ```
/// use buttress::{Resilience, grpc, pipeline::Config};
/// use tonic::transport::{Channel, Endpoint};
/// use tonic_health::pb::health_client::HealthClient;
///
/// struct Members {
///     health: HealthClient<grpc::Client<Channel>>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), buttress::InvalidConfig> {
/// let mut config = Config::standard();
/// // A call lasts until its stream has been read: callers who take their time are no slow server.
/// config.breaker.get_or_insert_default().slow_call_duration = None;
/// let policy = Resilience::builder().config(config).grpc().build()?;
/// let channel = Endpoint::from_static("http://[::1]:50051").connect_lazy();
/// let members = Members {
///     health: HealthClient::new(grpc::client(policy, channel)),
/// };
/// # let _ = members.health.clone();
/// # Ok(())
/// # }
/// ```
pub fn client<L, S>(policy: L, channel: S) -> Responding<<L::Service as EndWith<AfterBody>>::Ended>
where
    L: Layer<Adapted<Corrected<S>>>,
    L::Service: EndWith<AfterBody>,
{
    client_with(policy, AfterBody::new(), channel)
}

/// The same for a policy with codes of its own: say them twice, to the policy for heads, and to the ending for
/// trailers.
///
/// ```
/// use buttress::{Resilience, grpc, http::{AfterBody, OnCode}, pipeline::Config};
/// use tonic::transport::{Channel, Endpoint};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), buttress::InvalidConfig> {
/// // RESOURCE_EXHAUSTED is a failure here.
/// let codes = OnCode::new().failures([8]);
/// let mut config = Config::standard();
/// config.breaker.get_or_insert_default().slow_call_duration = None;
/// let builder = Resilience::builder().config(config).grpc();
/// let policy = builder.classify(codes).build()?;
/// let channel = Endpoint::from_static("http://[::1]:50051").connect_lazy();
/// let ending = AfterBody::new().codes(codes);
/// let members: grpc::Client<Channel> = grpc::client_with(policy, ending, channel);
/// # let _ = members;
/// # Ok(())
/// # }
/// ```
pub fn client_with<L, S>(
    policy: L,
    ending: AfterBody,
    channel: S,
) -> Responding<<L::Service as EndWith<AfterBody>>::Ended>
where
    L: Layer<Adapted<Corrected<S>>>,
    L::Service: EndWith<AfterBody>,
{
    respond(with_ending(policy, ending)).layer(Correct.layer(channel))
}
