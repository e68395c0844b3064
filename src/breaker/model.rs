//! The gate's protocol under the model checker: every interleaving, every allowed reordering.
//!
//! `RUSTFLAGS="--cfg buttress_loom" cargo test --release --lib model`
