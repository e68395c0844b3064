//! Keys of resilience4j that have no counterpart here, and why.

use super::{
    keys::{Dialect, find, shown, squashed},
    kinds::Means,
};

/// A key, the value that asks for what happens here anyway, and what to say of all others.
struct Foreign {
    /// Of these modules; of all, if there is none.
    modules: &'static [&'static str],
    /// Without signs and capitals, as is what follows.
    keys: &'static [&'static str],
    anyway: Option<&'static str>,
    reason: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        modules: &["circuitbreaker", "retry"],
        keys: &[
            "recordexceptions",
            "ignoreexceptions",
            "retryexceptions",
            "recordfailurepredicate",
            "recordexceptionpredicate",
            "ignoreexceptionpredicate",
            "recordresultpredicate",
            "retryexceptionpredicate",
            "resultpredicate",
            "retryonresultpredicate",
            "ignoreclassbindingexceptions",
        ],
        anyway: None,
        reason: "what counts as a failure is said in code, by `classify`",
    },
    Foreign {
        modules: &["retry"],
        keys: &["intervalfunction", "intervalbifunction"],
        anyway: None,
        reason: "a function is said in code, by `Backoff::custom`",
    },
    Foreign {
        modules: &["circuitbreaker"],
        keys: &["automatictransitionfromopentohalfopenenabled"],
        anyway: Some("false"),
        reason: "the next call after the wait is the first probe; no timer runs",
    },
    Foreign {
        modules: &["circuitbreaker"],
        keys: &["maxwaitdurationinhalfopenstate"],
        anyway: None,
        reason: "0 waits for ever: here a probe that hangs counts as failed",
    },
    Foreign {
        modules: &["circuitbreaker"],
        keys: &["transitiontostateafterwaitduration"],
        anyway: Some("open"),
        reason: "a half-open breaker whose probes hang opens again",
    },
    Foreign {
        modules: &["circuitbreaker"],
        keys: &["initialstate"],
        anyway: Some("closed"),
        reason: "a breaker begins closed; orders change that",
    },
    Foreign {
        modules: &["circuitbreaker"],
        keys: &["slidingwindowsynchronizationstrategy"],
        anyway: None,
        reason: "there is one way of counting",
    },
    Foreign {
        modules: &["retry"],
        keys: &["failaftermaxattempts"],
        anyway: Some("false"),
        reason: "the last result is returned as it is",
    },
    Foreign {
        modules: &["bulkhead"],
        keys: &["faircallhandlingenabled", "faircallhandlingstrategyenabled"],
        anyway: Some("true"),
        reason: "a place is given in order of arrival",
    },
    Foreign {
        modules: &["timelimiter"],
        keys: &["cancelrunningfuture"],
        anyway: Some("true"),
        reason: "an attempt that takes too long is dropped",
    },
    Foreign {
        modules: &[],
        keys: &["writablestacktraceenabled"],
        anyway: Some("false"),
        reason: "a refusal carries no stack",
    },
    Foreign {
        modules: &[],
        keys: &["registerhealthindicator", "allowhealthindicatortofail"],
        anyway: Some("false"),
        reason: "there are no health indicators: `snapshot` answers them",
    },
    Foreign {
        modules: &[],
        keys: &["eventconsumerbuffersize", "subscribeforevents"],
        anyway: None,
        reason: "events are not kept: `on_event` tells of them",
    },
    Foreign {
        modules: &["ratelimiter"],
        keys: &["drainpermissionsonresult"],
        anyway: None,
        reason: "a result takes no permission away",
    },
    Foreign {
        modules: &[],
        keys: &[
            "circuitbreakeraspectorder",
            "retryaspectorder",
            "bulkheadaspectorder",
            "ratelimiteraspectorder",
            "timelimiteraspectorder",
        ],
        anyway: None,
        reason: "the order is fixed",
    },
    Foreign {
        modules: &[],
        keys: &["metrics"],
        anyway: None,
        reason: "metrics are a feature of the crate",
    },
    Foreign {
        modules: &[],
        keys: &["threadpoolbulkhead", "scheduled"],
        anyway: None,
        reason: "there are no pools of threads: `bulkhead` bounds calls",
    },
];

/// Whether a key of a module has a counterpart, with this value.
pub(super) fn known(module: &str, key: &str, word: Option<&str>) -> bool {
    let squash = squashed(key);
    let zero = |word: &str| Means::Millis.convert(word).is_ok_and(|wait| wait == "0s");
    let never = word.is_some_and(zero);
    if squash == "maxwaitdurationinhalfopenstate" && never {
        return false;
    }
    match module {
        "timelimiter" => squash == "timeoutduration",
        "circuitbreaker" => find("breaker", key, Dialect::Resilience4j).is_some(),
        "ratelimiter" => find("rate_limit", key, Dialect::Resilience4j).is_some(),
        module => find(module, key, Dialect::Resilience4j).is_some(),
    }
}

/// Why a key is left out. Nothing, if it asks for what happens anyway.
pub(super) fn left_out(module: &str, key: &str, word: Option<&str>) -> Option<String> {
    let squash = squashed(key);
    let of = |foreign: &&Foreign| {
        let here = foreign.modules.is_empty() || foreign.modules.contains(&module);
        here && foreign.keys.contains(&squash.as_str())
    };
    let Some(foreign) = FOREIGN.iter().find(of) else {
        return Some(match module {
            "" => format!("`{}` is no module that is known here", shown(key)),
            _ => format!(
                "`{}` is no setting of theirs that is known here",
                shown(key)
            ),
        });
    };
    let anyway = word.is_some_and(|word| Some(squashed(word.trim()).as_str()) == foreign.anyway);
    (!anyway).then(|| foreign.reason.to_owned())
}
