//! A refusal is the end of its chain.

use super::rejected::Rejected;

impl std::error::Error for Rejected {}
