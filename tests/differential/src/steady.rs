//! Apache Kafka asked again, where it did not answer as its golden answers have it.
//!
//! A broker that gets no processor for a second lets sessions run out, and elects and fences: its answers are right, and others than
//! ever before. That says nothing of whoever is held beside it. So a scenario in which it happens is put to Apache Kafka again,
//! by itself; once it answers as ever, that is its answer, and the scenario is named as unsteady. Where it never does, its golden answers
//! are stale. Only Apache Kafka is asked again: what is compared with it is judged by what it answers the first time.

use crate::compare::{Difference, differences};
use crate::transcript::{Answer, Transcript};

/// So often a scenario is put to Apache Kafka again.
pub const ASKED_AGAIN: usize = 2;

/// At most this share of the scenarios may be unsteady, in percent: with more, the machine is too busy to tell anything.
pub const UNSTEADY_PERCENT: usize = 1;

/// A scenario that Apache Kafka answered as ever only when it was asked again.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsteady {
    /// Which, as an index into the answers.
    pub index: usize,
    /// In what its first answers differ from the golden ones.
    pub differences: Vec<Difference>,
}

/// What asking again has shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// What was answered as ever when asked again.
    pub unsteady: Vec<Unsteady>,
    /// What never was.
    pub stale: Vec<usize>,
}

/// Whether a scenario came to its end with the golden answers.
pub fn is_as_ever(golden: Option<&Transcript>, answered: &Transcript) -> bool {
    let same = |(then, now): (&Answer, &Answer)| then.label == now.label && then.value == now.value;
    golden.is_some_and(|golden| {
        answered.failure.is_none()
            && golden.answers.len() == answered.answers.len()
            && golden.answers.iter().zip(&answered.answers).all(same)
    })
}

/// Puts what was not answered as ever to Apache Kafka again, by `again`, which is given indices and gives the answers in their order.
/// What is then answered as ever takes the place of the first answer. `golden` are the golden answers in the order of `answers`.
///
/// # Errors
///
/// Those of `again`.
pub fn settle<E>(
    golden: &[Option<Transcript>],
    answers: &mut [&mut Transcript],
    mut again: impl FnMut(&[usize]) -> Result<Vec<Transcript>, E>,
) -> Result<Settled, E> {
    let odd = |(index, (golden, answered)): (usize, (&Option<Transcript>, &&mut Transcript))| {
        (!is_as_ever(golden.as_ref(), answered)).then_some(index)
    };
    let mut settled = Settled {
        stale: golden.iter().zip(&*answers).enumerate().filter_map(odd).collect(),
        ..Settled::default()
    };
    // What has no golden answers cannot be answered as ever.
    let (mut open, new): (Vec<usize>, Vec<usize>) = std::mem::take(&mut settled.stale)
        .into_iter()
        .partition(|index| golden[*index].is_some());
    for _ in 0..ASKED_AGAIN {
        if open.is_empty() {
            break;
        }
        let asked = again(&open)?;
        for (index, answered) in std::mem::take(&mut open).into_iter().zip(asked) {
            match &golden[index] {
                Some(golden) if is_as_ever(Some(golden), &answered) => {
                    let first = std::mem::replace(answers[index], answered);
                    settled.unsteady.push(Unsteady {
                        index,
                        differences: differences(golden, &first),
                    });
                }
                _ => open.push(index),
            }
        }
    }
    settled.stale = new.into_iter().chain(open).collect();
    settled.stale.sort_unstable();
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::text::parse_value;

    fn answered(value: &str) -> Transcript {
        Transcript {
            title: "t".to_owned(),
            answers: vec![Answer {
                label: "a: Heartbeat 4".to_owned(),
                line: 1,
                value: parse_value(value).unwrap(),
            }],
            failure: None,
        }
    }

    /// Three scenarios that are answered 0, but for the second, which is answered `first` and then what `rounds` say.
    fn settled(first: &Transcript, rounds: &[Transcript]) -> (Settled, Vec<Transcript>, usize) {
        let zero = answered("0");
        let golden = vec![Some(zero.clone()); 3];
        let mut answers = vec![zero.clone(), first.clone(), zero];
        let mut asked = 0;
        let mut settling: Vec<&mut Transcript> = answers.iter_mut().collect();
        let settled = settle(&golden, &mut settling, |which| {
            assert_eq!(which, [1]);
            asked += 1;
            Ok::<_, Infallible>(vec![rounds[asked - 1].clone()])
        });
        let Ok(settled) = settled;
        (settled, answers, asked)
    }

    #[test]
    fn what_is_answered_as_ever_is_not_asked_again() {
        let (settled, _, asked) = settled(&answered("0"), &[]);
        assert_eq!((settled, asked), (Settled::default(), 0));
    }

    #[test]
    fn what_is_answered_as_ever_when_asked_again_is_unsteady_and_its_answer_is_the_golden_one() {
        for rounds in [vec![answered("0")], vec![answered("25"), answered("0")]] {
            let (settled, answers, asked) = settled(&answered("25"), &rounds);
            assert_eq!(settled.stale, [] as [usize; 0]);
            assert_eq!(asked, rounds.len());
            assert_eq!(answers[1], answered("0"));
            let [unsteady] = &settled.unsteady[..] else {
                panic!("{settled:?}")
            };
            assert_eq!(unsteady.index, 1);
            assert_eq!(
                (&*unsteady.differences[0].oracle, &*unsteady.differences[0].other),
                ("0", "25")
            );
        }
    }

    #[test]
    fn what_is_never_answered_as_ever_is_stale_and_keeps_its_first_answer() {
        let rounds = [answered("26"), answered("27")];
        let (settled, answers, asked) = settled(&answered("25"), &rounds);
        assert_eq!((settled.unsteady, settled.stale, asked), (vec![], vec![1], ASKED_AGAIN));
        assert_eq!(answers[1], answered("25"));
    }

    #[test]
    fn what_did_not_come_to_its_end_is_asked_again() {
        let broken = Transcript {
            failure: Some("no answer".to_owned()),
            ..answered("0")
        };
        let (settled, answers, _) = settled(&broken, &[answered("0")]);
        assert_eq!((settled.unsteady.len(), settled.stale.len()), (1, 0));
        assert_eq!(answers[1].failure, None);
    }

    #[test]
    fn what_has_no_golden_answers_is_stale_and_not_asked_again() {
        let mut answer = answered("0");
        let settled = settle(&[None], &mut [&mut answer], |_| Err("asked"));
        assert_eq!(settled.map(|settled| settled.stale), Ok(vec![0]));
    }
}
