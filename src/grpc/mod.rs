#![doc = include_str!("grpc.md")]

mod body;
mod client;
mod coded;
mod correct;
mod preset;
mod status;

pub use client::{Client, client, client_with};
pub use correct::{Answered, Correct, Corrected, Correction};
pub use status::refusal;
