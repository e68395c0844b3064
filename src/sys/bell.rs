//! How a thread that is not ours wakes a task: rung once or ten times, it is heard once.

pub(crate) use tokio::sync::Notify as Bell;
