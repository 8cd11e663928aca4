//! ListTransactions (key 66), versions 0–2. The transactional ids that a broker coordinates (KIP-664).
//!
//! - 1: those whose transaction has lasted for so long (KIP-994). 2: those whose id matches a pattern (KIP-1152).

use std::collections::BTreeSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use regex_lite::Regex;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::txn::state::TransactionState;
use crate::txn::transaction::Transaction;

/// Which transactional ids are wanted.
struct Filters<'a> {
    request: &'a ListTransactionsRequest,
    pattern: Option<Regex>,
    now_ms: i64,
}

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: ListTransactionsRequest,
) -> Result<ListTransactionsResponse, Refusal> {
    let Ok(pattern) = pattern(&request) else {
        let error = ResponseError::InvalidRegularExpression;
        return Ok(ListTransactionsResponse::default().with_error_code(error.code()));
    };
    // Each once: Apache Kafka keeps them in a set.
    let unknown = request.state_filters.iter();
    let unknown: BTreeSet<_> = unknown
        .filter(|name| !TransactionState::is_name(name))
        .cloned()
        .collect();
    let filters = Filters {
        request: &request,
        pattern,
        now_ms: context.shared.now_ms(),
    };
    let held = context.transactions.hold();
    let listed = held
        .all()
        .filter(|(id, transaction)| context.coordinates_transactions(id) && filters.want(id, transaction));
    let listed = listed.map(|(id, transaction)| {
        Listed::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(id.to_owned())))
            .with_producer_id(ProducerId(transaction.producer_id))
            .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
    });
    let listed: Vec<_> = listed.collect();
    drop(held);
    Ok(ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.into_iter().collect())
        .with_transaction_states(listed))
}

/// The pattern, which the whole id has to match. Both this and Apache Kafka's RE2/J take the syntax of RE2; to RE2 a brace that begins
/// no count is a character.
fn pattern(request: &ListTransactionsRequest) -> Result<Option<Regex>, regex_lite::Error> {
    match request.transactional_id_pattern.as_deref() {
        None | Some("") => Ok(None),
        Some(pattern) => {
            // By itself first: brackets of its own must not close those around it.
            let pattern = with_braces(pattern);
            Regex::new(&pattern)?;
            Regex::new(&format!("^(?:{pattern})$")).map(Some)
        }
    }
}

/// The pattern with each opening brace escaped that is not that of `{n}`, `{n,}` or `{n,m}`.
fn with_braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let (mut escaped, mut class) = (false, false);
    for (at, c) in pattern.char_indices() {
        let is_plain = !escaped && !class;
        if c == '{' && is_plain && !begins_count(&pattern[at + 1..]) {
            out.push('\\');
        }
        class = match c {
            '[' if is_plain => true,
            ']' if !escaped => false,
            _ => class,
        };
        // Behind `\\p` and `\\x` braces are part of what is escaped.
        escaped = match c {
            '\\' => !escaped,
            'p' | 'P' | 'x' => escaped,
            _ => false,
        };
        out.push(c);
    }
    out
}

fn begins_count(rest: &str) -> bool {
    let Some((count, _)) = rest.split_once('}') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    !least.is_empty() && digits(least) && digits(most)
}

impl Filters<'_> {
    /// `TransactionStateManager.listTransactionStates`.
    fn want(&self, id: &str, transaction: &Transaction) -> bool {
        let (ids, states) = (&self.request.producer_id_filters, &self.request.state_filters);
        let duration = self.request.duration_filter;
        // One that has never begun says -1, and a cluster's time may be the last that there is.
        let lasted = self.now_ms.saturating_sub(transaction.started_ms);
        (ids.is_empty() || ids.contains(&ProducerId(transaction.producer_id)))
            && (states.is_empty() || states.iter().any(|name| &**name == transaction.state.name()))
            && (duration < 0 || lasted > duration)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_that_begins_no_count_is_a_character() {
        let cases = [
            ("a{2", "a\\{2"),
            ("a{2}", "a{2}"),
            ("a{2,3}b{,3}", "a{2,3}b\\{,3}"),
            ("[{]{1,}", "[{]{1,}"),
            ("\\{{", "\\{\\{"),
            ("\\p{L}{x}", "\\p{L}\\{x}"),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(with_braces(pattern), wanted);
        }
    }
}
