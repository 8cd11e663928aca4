//! Random sequences of requests, valid and nearly valid, and the smallest part of one that two clusters answer differently.

mod admin;
mod generate;
mod shrink;
mod transactions;

pub use generate::sequence;
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
    use super::*;

    #[test]
    fn every_sequence_is_a_scenario_and_comes_again_from_its_seed() {
        for seed in 0..300 {
            let lines = sequence(seed);
            assert_eq!(lines, sequence(seed));
            let parsed = scenario(&lines).unwrap_or_else(|error| panic!("{error}\n{}", lines.join("\n")));
            let each = lines.iter().map(|step| step.lines().count());
            assert_eq!(parsed.steps.len(), each.sum::<usize>());
        }
        assert_ne!(sequence(1), sequence(2));
    }

    #[test]
    fn what_matters_is_what_is_left() {
        let lines: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let has = |lines: &[String], n: &str| lines.iter().any(|line| line == n);
        let left = shrink(&lines, |lines| has(lines, "7") && has(lines, "31"));
        assert_eq!(left, ["7", "31"]);
    }
}
