//! A pipeline from afar, whatever its types: for those who change settings by name.

use super::{config::Config, core::Core, cover::Outermost, handle::Resilience};
use crate::{error::InvalidConfig, fallback, guard::far::Far};

/// The settings of a pipeline that lives as long as others hold it: this does not keep it alive.
pub(crate) trait Remote: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The settings that were taken last; none once it is gone.
    fn config(&self) -> Option<Config>;

    /// Every rule that these settings break.
    fn check(&self, config: &Config) -> Result<(), InvalidConfig> {
        config.validate(self.name())
    }

    /// Takes settings that were [checked](Self::check), unless it is gone.
    fn take(&self, config: Config);
}

struct Afar<C, Y, D> {
    name: &'static str,
    handle: Far<Core<Y, D>, C>,
    fallback: Box<dyn Fn(&fallback::Config) + Send + Sync>,
}

impl<C, Y, D, F> Resilience<C, Y, D, F>
where
    C: Send + Sync + 'static,
    Y: Send + Sync + 'static,
    D: Send + Sync + 'static,
    F: Outermost,
{
    /// Itself from afar.
    pub(crate) fn remote(&self) -> Box<dyn Remote> {
        Box::new(Afar {
            name: self.name(),
            handle: self.handle().far(),
            fallback: self.cover().remote(),
        })
    }
}

impl<C, Y, D> Remote for Afar<C, Y, D>
where
    C: Send + Sync,
    Y: Send + Sync,
    D: Send + Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn config(&self) -> Option<Config> {
        let config = self.handle.policy(|core| core.config.get())?;
        Some(Config::clone(&config))
    }

    fn take(&self, config: Config) {
        self.handle
            .policy(|core| core.change(config, &self.fallback));
    }
}
