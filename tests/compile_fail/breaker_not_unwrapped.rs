//! What `build` returns is a `Result`, not yet a layer.
use buttress::CircuitBreaker;
use tower::{BoxError, Layer, ServiceBuilder, service_fn};

fn main() {
    let breaker = CircuitBreaker::builder().name("shop").build();
    let shop = service_fn(|id: u32| async move { Ok::<_, BoxError>(id) });
    let _ = breaker.layer(shop);
    let _ = ServiceBuilder::new().layer(breaker).service(shop);
}
