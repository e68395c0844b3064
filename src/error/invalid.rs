use std::fmt;

/// Settings that cannot be built, with every rule they break.
///
/// ```
/// let error = buttress::CircuitBreaker::builder()
///     .name("payments")
///     .failure_ratio(1.01)
///     .probes(0)
///     .build()
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "payments: failure_ratio = 1.01: must be above 0 and at most 1; \
///      probes = 0: must be 1 to 10000",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    policy: &'static str,
    violations: Vec<Violation>,
}

/// One setting that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The setting's name, as in `Config`.
    pub field: &'static str,
    /// The value that was given.
    pub value: String,
    /// What it must satisfy.
    pub rule: &'static str,
}

impl InvalidConfig {
    /// The name of the policy that was being built.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }

    /// Every rule broken, in the order of the fields.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.policy)?;
        for (n, violation) in self.violations.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            let Violation { field, value, rule } = violation;
            write!(f, "{separator}{field} = {value}: {rule}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

/// Collects violations, so that a check reads as a list of rules.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn require(
        &mut self,
        holds: bool,
        field: &'static str,
        value: impl fmt::Debug,
        rule: &'static str,
    ) {
        if !holds {
            self.0.push(Violation {
                field,
                value: format!("{value:?}"),
                rule,
            });
        }
    }

    pub(crate) fn add(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_result(self, policy: &'static str) -> Result<(), InvalidConfig> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(InvalidConfig {
            policy,
            violations: self.0,
        })
    }
}
