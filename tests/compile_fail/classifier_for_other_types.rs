//! A classifier whose parameter is not this service's result.
use buttress::{CircuitBreaker, Outcome};
use tower::{BoxError, Layer, Service, service_fn};

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let breaker = CircuitBreaker::builder()
        .classify(|result: Result<&u16, &BoxError>| match result {
            Ok(status) if *status < 500 => Outcome::Success,
            _ => Outcome::Failure,
        })
        .build()
        .unwrap();
    let shop = breaker.layer(service_fn(|id: u32| async move { Ok::<_, BoxError>(id) }));
    serve(shop);
}
