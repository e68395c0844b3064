//! A source of settings that says what it is told to say.
#![allow(dead_code, reason = "every test file uses a part of it")]

use buttress::{
    document::Format,
    reload::{Source, SourceError, Text},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) type Answer = Result<String, &'static str>;

#[derive(Debug)]
pub(crate) struct Channel(UnboundedReceiver<Answer>);

pub(crate) fn channel() -> (UnboundedSender<Answer>, Channel) {
    let (tell, told) = unbounded_channel();
    (tell, Channel(told))
}

impl Source for Channel {
    async fn next(&mut self) -> Result<Text, SourceError> {
        match self.0.recv().await {
            Some(Ok(text)) => Ok(Text::new(text, Format::Yaml)),
            Some(Err(error)) => Err(SourceError::new(error)),
            None => Err(SourceError::closed("nobody is left to tell")),
        }
    }
}
