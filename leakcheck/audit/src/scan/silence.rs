//! Findings and the comments that silence them, put together.

use super::comments::Allow;
use super::rules::RULES;
use crate::report::{Place, Suspect};

pub(crate) const WITHOUT_REASON: &str = "allow-without-reason";
pub(crate) const UNUSED: &str = "allow-unused";

/// The functions of a file: the first line of each, and the last.
pub(crate) type Extents = Vec<(u32, u32)>;

/// Silences what comments of this file silence, and adds what is wrong with the comments.
pub(crate) fn apply(file: &str, allows: &[Allow], functions: &Extents, suspects: &mut Vec<Suspect>) {
    for allow in allows {
        let problem = |rule: &str, why: String, fix: &str| Suspect {
            rule: rule.to_owned(),
            at: Place {
                function: String::new(),
                file: Some(file.to_owned()),
                line: Some(allow.line),
            },
            why,
            fix: fix.to_owned(),
            ..Suspect::default()
        };
        if let Some(wrong) = allow.wrong {
            let why = format!("this comment silences nothing: {wrong}");
            suspects.push(problem(
                WITHOUT_REASON,
                why,
                "write `// leak-audit: allow(rule) — reason`",
            ));
            continue;
        }
        // Above a function it is for the whole of it.
        let last = functions
            .iter()
            .filter(|(from, _)| *from == allow.code && allow.line < allow.code)
            .map(|(_, to)| *to)
            .max()
            .unwrap_or(allow.code);
        for rule in &allow.rules {
            let known = RULES.iter().any(|known| known.name == rule);
            let mut used = false;
            for suspect in suspects.iter_mut() {
                let here = suspect.at.file.as_deref() == Some(file)
                    && suspect.at.line.is_some_and(|line| (allow.code..=last).contains(&line));
                if here && suspect.rule == *rule {
                    suspect.silenced.clone_from(&allow.reason);
                    used = true;
                }
            }
            if !known {
                let why = format!("this comment silences nothing: there is no rule `{rule}`");
                suspects.push(problem(WITHOUT_REASON, why, "name a rule of `leak-audit scan --help`"));
            } else if !used {
                let why = format!("this comment silences nothing: `{rule}` finds nothing here");
                suspects.push(problem(UNUSED, why, "take the comment out"));
            }
        }
    }
}
