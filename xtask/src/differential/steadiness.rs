//! How Apache Kafka's answers of a live run stand to its golden ones.

use std::fmt::Write;

use kfake_differential::compare::Difference;
use kfake_differential::corpus;
use kfake_differential::steady::{UNSTEADY_PERCENT, settle};
use kfake_differential::text::scenario::{File, Scenario, Setup};
use kfake_differential::transcript::Transcript;

use super::clusters;

/// So many differences of an unsteady scenario are shown.
const SHOWN: usize = 5;

/// What is known of it.
#[derive(Default)]
pub struct Steadiness<'a> {
    answered: Vec<Answered<'a>>,
    /// `file/title`, and in what the first answers differ.
    unsteady: Vec<(String, Vec<Difference>)>,
    /// `file/title`
    stale: Vec<String>,
}

/// What Apache Kafka was asked on one setup.
struct Answered<'a> {
    setup: &'a Setup,
    scenarios: Vec<&'a Scenario>,
    golden: Vec<Option<Transcript>>,
    /// Where the first of them is among all sides.
    begin: usize,
}

impl<'a> Steadiness<'a> {
    /// Takes note that it has answered these, which stand among all sides from `begin` on.
    pub fn answered(&mut self, setup: &'a Setup, files: &[&'a File], begin: usize) {
        let mut golden = Vec::new();
        for file in files {
            // A file that is new has none, and is stale.
            let kept = corpus::read_golden(&file.name).unwrap_or_default();
            let scenarios = file.scenarios.iter();
            golden.extend(scenarios.map(|scenario| kept.of(&scenario.title).cloned()));
        }
        self.answered.push(Answered {
            setup,
            scenarios: files.iter().flat_map(|file| &file.scenarios).collect(),
            golden,
            begin,
        });
    }

    /// Asks again where it did not answer as ever, while nothing else runs.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn settle(&mut self, sides: &mut [(String, Transcript, Transcript)]) -> anyhow::Result<()> {
        for answered in &self.answered {
            let here = &mut sides[answered.begin..answered.begin + answered.scenarios.len()];
            let titles: Vec<String> = here.iter().map(|(file, t, _)| format!("{file}/{}", t.title)).collect();
            let mut answers: Vec<&mut Transcript> = here.iter_mut().map(|(_, oracle, _)| oracle).collect();
            let settled = settle(&answered.golden, &mut answers, |indices| {
                for index in indices {
                    eprintln!("asking Apache Kafka again: {}", titles[*index]);
                }
                let scenarios: Vec<&Scenario> = indices.iter().map(|index| answered.scenarios[*index]).collect();
                let kafka = clusters::kafka(answered.setup)?;
                anyhow::Ok(corpus::go(&kafka.side, &scenarios, 1, 1))
            })?;
            let unsteady = settled.unsteady.into_iter();
            self.unsteady
                .extend(unsteady.map(|unsteady| (titles[unsteady.index].clone(), unsteady.differences)));
            self.stale
                .extend(settled.stale.into_iter().map(|index| titles[index].clone()));
        }
        Ok(())
    }

    /// Whether its answers are the golden ones. `all`: how many scenarios there are, where all of them were asked.
    pub fn holds(&self, all: Option<usize>) -> bool {
        self.stale.is_empty() && !self.is_too_unsteady(all)
    }

    fn is_too_unsteady(&self, all: Option<usize>) -> bool {
        all.is_some_and(|all| self.unsteady.len() * 100 > all * UNSTEADY_PERCENT)
    }

    /// What there is to say of it, for people.
    pub fn text(&self, oracle: &str, all: Option<usize>) -> String {
        let mut text = String::new();
        for (title, differences) in &self.unsteady {
            let _ = writeln!(text, "{oracle} answered as ever only when it was asked again: {title}");
            for d in differences.iter().take(SHOWN) {
                let path = if d.path.is_empty() { "(all)" } else { &d.path };
                let _ = writeln!(text, "    {}: {path} was {}, not {}", d.label, d.other, d.oracle);
            }
        }
        if self.is_too_unsteady(all) {
            let _ = writeln!(text, "more than {UNSTEADY_PERCENT} % of the scenarios are unsteady");
        }
        for stale in &self.stale {
            let _ = writeln!(
                text,
                "the golden answers are not {oracle}'s (--refresh writes them again): {stale}"
            );
        }
        text
    }
}
