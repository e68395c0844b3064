//! The error type holds a refusal, but the default classifier cannot look back at it.
use buttress::{CircuitBreaker, Rejected};
use tower::{Layer, Service, service_fn};

#[derive(Debug)]
enum ShopError {
    Refused(Rejected),
}

impl From<Rejected> for ShopError {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let shop = breaker.layer(service_fn(|id: u32| async move { Ok::<_, ShopError>(id) }));
    serve(shop);
}
