//! Many policies are pairs of pairs.

/// Two to six policies, as [`Guard::all`](super::Guard::all) takes them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple of two to six policies",
    label = "not two to six policies",
    note = "one alone is a guard already, or `Guard::new(policy)`; of more than six make the last a guard: `Guard::all((a, b, Guard::all((c, d))))`"
)]
pub trait Several {
    /// The pairs that they make, nested to the right.
    type Nested;

    /// Nests them.
    fn nest(self) -> Self::Nested;
}

impl<A, B> Several for (A, B) {
    type Nested = Self;

    fn nest(self) -> Self {
        self
    }
}

/// The first, and the others nested.
macro_rules! several {
    ($($other:ident)+) => {
        impl<A, $($other),+> Several for (A, $($other),+) {
            type Nested = (A, <($($other),+) as Several>::Nested);

            fn nest(self) -> Self::Nested {
                #[allow(non_snake_case, reason = "named like their types")]
                let (first, $($other),+) = self;
                (first, ($($other),+).nest())
            }
        }
    };
}

several!(B C);
several!(B C D);
several!(B C D E);
several!(B C D E F);
