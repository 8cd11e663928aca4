//! Random sequences of requests, valid and nearly valid, and the smallest part of one that two clusters answer differently.

mod admin;
mod body;
mod coverage;
mod generate;
mod groups;
mod offered;
mod shrink;
mod topics;
mod transactions;
mod vocabulary;

pub use coverage::Coverage;
pub use generate::sequence;
pub use offered::Offered;
pub use shrink::shrink;

use crate::text::scenario::Scenario;
use crate::text::{ParseError, parse_file};

/// A sequence's steps as a scenario.
///
/// # Errors
///
/// Where a line is no step.
pub fn scenario(lines: &[String]) -> Result<Scenario, ParseError> {
    let text = format!("== random\n{}\n", lines.join("\n"));
    let mut file = parse_file("random", &text)?;
    Ok(file.scenarios.remove(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::codec;
    use crate::schema::{self, NIL_UUID};
    use crate::text::scenario::Action;
    use crate::tree::Value;

    #[test]
    fn every_sequence_is_a_scenario_and_comes_again_from_its_seed() {
        let offered = Offered::all();
        for seed in 0..300 {
            let lines = sequence(seed, &offered);
            assert_eq!(lines, sequence(seed, &offered));
            let parsed = scenario(&lines).unwrap_or_else(|error| panic!("{error}\n{}", lines.join("\n")));
            let each = lines.iter().map(|step| step.lines().count());
            assert_eq!(parsed.steps.len(), each.sum::<usize>());
        }
        assert_ne!(sequence(1, &offered), sequence(2, &offered));
    }

    /// What stands for a variable or a call while a scenario is not being run.
    fn plain(name: &str, value: &Value) -> Value {
        match value {
            Value::Variable(variable) if matches!(&**variable, "i" | "j" | "o") => Value::text(NIL_UUID),
            Value::Variable(variable) if variable.starts_with(['m', 'k', 'l']) => Value::text("member"),
            Value::Variable(_) => Value::Int(1),
            Value::Call(_, _) if name == "records" => Value::Bytes(Vec::new()),
            Value::Call(_, _) => Value::text("long"),
            Value::List(list) => Value::List(list.iter().map(|value| plain(name, value)).collect()),
            Value::Struct(fields) => {
                let mut fields = fields.clone();
                for field in &mut fields {
                    field.value = plain(&field.name, &field.value);
                }
                Value::Struct(fields)
            }
            other => other.clone(),
        }
    }

    #[test]
    fn every_request_is_a_message_of_its_version_and_every_version_is_asked() {
        let offered = Offered::all();
        let mut missing: BTreeSet<(String, i16)> = vocabulary::APIS
            .iter()
            .filter_map(|(name, _)| schema::by_name(name))
            .flat_map(|api| api.request.versions.clone().map(|version| (api.name.clone(), version)))
            .collect();
        // It would change the cluster for all.
        missing.remove(&("UpdateFeatures".to_owned(), 0));
        for seed in 0..1500 {
            let lines = sequence(seed, &offered);
            for step in scenario(&lines).unwrap().steps {
                let (Action::Ask(request)
                | Action::Send(_, request)
                | Action::Until(request, _)
                | Action::Settle(request)) = step.action
                else {
                    continue;
                };
                let api = schema::by_name(&request.api).unwrap();
                let encoded = codec::encode(&api.request, request.version, &plain("", &request.body));
                assert!(
                    encoded.is_ok(),
                    "{encoded:?}: {} {} {}",
                    request.api,
                    request.version,
                    request.body
                );
                missing.remove(&(request.api, request.version));
            }
        }
        assert_eq!(missing, BTreeSet::new());
    }

    #[test]
    fn what_matters_is_what_is_left() {
        let lines: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let has = |lines: &[String], n: &str| lines.iter().any(|line| line == n);
        let left = shrink(&lines, |lines| has(lines, "7") && has(lines, "31"));
        assert_eq!(left, ["7", "31"]);
    }
}
