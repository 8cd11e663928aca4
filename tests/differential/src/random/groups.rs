//! Blocks of groups with several members: who joins waits for the others, so that the order of their requests is given.

use fastrand::Rng;

use super::generate::pick;

/// Two protocols, the first rather than the second.
const BOTH: &str = "{name: range, metadata: m} {name: sticky, metadata: n}";

/// Groups made in a sequence, so that each has a name of its own.
#[derive(Debug, Default)]
pub(super) struct Groups {
    made: usize,
}

impl Groups {
    /// The lines of a block.
    pub(super) fn step(&mut self, rng: &mut Rng) -> Vec<String> {
        self.made += 1;
        let group = format!("~n{}", self.made);
        match rng.u8(0..3) {
            0 => rebalance(rng, &group, self.made),
            1 => replaced(rng, &group, self.made),
            _ => pending(rng, &group, self.made),
        }
    }
}

fn instance(version: i16, instance: &str) -> String {
    match (version, instance) {
        (..5, _) | (_, "") => String::new(),
        _ => format!("groupInstanceId: {instance}, "),
    }
}

fn join(version: i16, group: &str, member: &str, static_as: &str, protocols: &str) -> String {
    let rebalance = match version {
        0 => "",
        _ => "rebalanceTimeoutMs: 20000, ",
    };
    format!(
        "JoinGroup {version} {{groupId: {group}, sessionTimeoutMs: 20000, {rebalance}memberId: {member}, {}protocolType: consumer, protocols: [{protocols}]}}",
        instance(version, static_as)
    )
}

/// A first member that is in the group at once, and its variable.
fn first(rng: &mut Rng, group: &str, n: usize, static_as: &str) -> Vec<String> {
    let version = match static_as {
        "" => rng.i16(0..=3),
        _ => rng.i16(5..=9),
    };
    let mut lines = vec![
        format!("a: {}", join(version, group, "\"\"", static_as, BOTH)),
        format!("let k{n} = memberId"),
    ];
    if rng.u8(0..5) > 0 {
        lines.push(sync(rng, group, "1", &format!("$k{n}"), static_as));
    }
    lines
}

fn sync(rng: &mut Rng, group: &str, generation: &str, member: &str, static_as: &str) -> String {
    let version = match static_as {
        "" => rng.i16(0..=5),
        _ => rng.i16(3..=5),
    };
    let instance = match (version, static_as) {
        (..3, _) | (_, "") => String::new(),
        _ => format!(", groupInstanceId: {static_as}"),
    };
    format!(
        "a: SyncGroup {version} {{groupId: {group}, generationId: {generation}, memberId: {member}{instance}, protocolType?: consumer, protocolName?: range, assignments: [{{memberId: {member}, assignment: all}} {{memberId: nobody, assignment: none}}]}}"
    )
}

/// What never waits, whatever the group is doing; `others` are variables of members.
fn at_once(rng: &mut Rng, group: &str, others: &[String], static_as: &str) -> String {
    let on = pick(rng, &["a", "b"]);
    let member = match rng.u8(0..8) {
        0 => "nobody".to_owned(),
        1 => "\"\"".to_owned(),
        _ => others[rng.usize(0..others.len())].clone(),
    };
    let generation = pick(rng, &["1", "2", "2", "3", "-1"]);
    let given = |version: i16, from: i16, rng: &mut Rng| match version >= from && rng.bool() {
        true => format!(
            ", groupInstanceId: {}",
            match static_as {
                "" => pick(rng, &["i", "null", "\"\""]),
                own => pick(rng, &[own, own, own, "z", "null"]),
            }
        ),
        false => String::new(),
    };
    match rng.u8(0..12) {
        0..4 => {
            let version = rng.i16(0..=4);
            let given = given(version, 3, rng);
            format!(
                "{on}: Heartbeat {version} {{groupId: {group}, generationId: {generation}, memberId: {member}{given}}}"
            )
        }
        4..7 => {
            let version = rng.i16(2..=9);
            let given = given(version, 7, rng);
            format!(
                "{on}: OffsetCommit {version} {{groupId: {group}, generationIdOrMemberEpoch: {generation}, memberId: {member}{given}, topics: [{{name: {}, partitions: [{{partitionIndex: 0, committedOffset: 1, committedMetadata: m}} {{partitionIndex: {}, committedOffset: 2, committedMetadata: null}}]}}]}}",
                pick(rng, &["~t", "~t", "~u", "~x"]),
                pick(rng, &["1", "0", "9"])
            )
        }
        7 | 8 => format!("{on}: DescribeGroups {} {{groups: [{group}]}}", rng.i16(0..=6)),
        9 => format!(
            "{on}: ListGroups {} {{statesFilter?: [{}], typesFilter?: [{}]}}",
            rng.i16(0..=5),
            pick(
                rng,
                &["", "Stable", "preparingrebalance CompletingRebalance", "Empty", "Dead"]
            ),
            pick(rng, &["", "", "classic", "Consumer"])
        ),
        10 => format!(
            "{on}: OffsetDelete 0 {{groupId: {group}, topics: [{{name: {}, partitions: [{{partitionIndex: 0}} {{partitionIndex: 7}}]}}]}}",
            pick(rng, &["~t", "~x"])
        ),
        _ => format!(
            "{on}: DeleteGroups {} {{groupsNames: [{group} ~x {group}]}}",
            rng.i16(0..=2)
        ),
    }
}

/// Who leaves, one by one or several at once.
fn leave(rng: &mut Rng, group: &str, members: &[String], static_as: &str) -> String {
    let version = rng.i16(0..=5);
    if version < 3 {
        return format!("a: LeaveGroup {version} {{groupId: {group}, memberId: {}}}", members[0]);
    }
    let mut left: Vec<String> = members
        .iter()
        .map(|m| format!("{{memberId: {m}, reason?: done}}"))
        .collect();
    if !static_as.is_empty() {
        left.push(format!("{{memberId: \"\", groupInstanceId: {static_as}}}"));
        left.push(format!("{{memberId: {}, groupInstanceId: {static_as}}}", members[0]));
    }
    left.push("{memberId: nobody}".to_owned());
    left.push("{memberId: \"\", groupInstanceId: z}".to_owned());
    rng.shuffle(&mut left);
    left.truncate(rng.usize(1..=left.len()));
    format!(
        "a: LeaveGroup {version} {{groupId: {group}, members: [{}]}}",
        left.join(" ")
    )
}

/// A second member comes while the first is in the group.
fn rebalance(rng: &mut Rng, group: &str, n: usize) -> Vec<String> {
    let static_as = pick(rng, &["", "i"]);
    let mut lines = first(rng, group, n, static_as);
    let one = format!("$k{n}");
    let two = format!("$l{n}");
    let second_static = pick(rng, &["", "j"]);
    let version = match second_static {
        "" => rng.i16(0..=3),
        _ => rng.i16(5..=9),
    };
    let protocols = pick(
        rng,
        &[
            "{name: sticky, metadata: o} {name: range, metadata: o}",
            "{name: range, metadata: o}",
            "{name: sticky, metadata: o}",
        ],
    );
    lines.push(format!(
        "send f{n} c{n}: {}",
        join(version, group, "\"\"", second_static, protocols)
    ));
    lines.push(format!(
        "until groups[0].groupState = \"PreparingRebalance\" a: DescribeGroups 4 {{groups: [{group}]}}"
    ));
    for _ in 0..rng.usize(0..4) {
        lines.push(match rng.u8(0..4) {
            // Nobody waits for an assignment while the group does not know its members.
            0 => {
                let generation = pick(rng, &["1", "1", "2"]);
                sync(rng, group, generation, &one, static_as)
            }
            _ => at_once(rng, group, std::slice::from_ref(&one), static_as),
        });
    }
    // The first comes again, or goes: either lets the second in.
    match rng.u8(0..4) {
        0 => lines.push(match static_as {
            "" => format!("a: LeaveGroup 1 {{groupId: {group}, memberId: {one}}}"),
            _ => format!(
                "a: LeaveGroup 4 {{groupId: {group}, members: [{{memberId: \"\", groupInstanceId: {static_as}}}]}}"
            ),
        }),
        _ => {
            let version = match static_as {
                "" => rng.i16(0..=9),
                _ => rng.i16(5..=9),
            };
            lines.push(format!("a: {}", join(version, group, &one, static_as, BOTH)));
        }
    }
    lines.push(format!("receive f{n}"));
    lines.push(format!("let l{n} = memberId"));
    let both = [one.clone(), two.clone()];
    for _ in 0..rng.usize(0..3) {
        lines.push(at_once(rng, group, &both, static_as));
    }
    // The leader's first: a follower's waits for it.
    lines.push(sync(rng, group, "2", &one, static_as));
    for _ in 0..rng.usize(0..5) {
        lines.push(at_once(rng, group, &both, static_as));
    }
    lines.push(leave(rng, group, &both, static_as));
    for _ in 0..rng.usize(0..3) {
        lines.push(at_once(rng, group, &both, static_as));
    }
    lines
}

/// A static member comes again without its id, and its former self does not know.
fn replaced(rng: &mut Rng, group: &str, n: usize) -> Vec<String> {
    let mut lines = first(rng, group, n, "i");
    let (one, two) = (format!("$k{n}"), format!("$l{n}"));
    for _ in 0..rng.usize(0..2) {
        lines.push(at_once(rng, group, std::slice::from_ref(&one), "i"));
    }
    let protocols = pick(
        rng,
        &[
            BOTH,
            BOTH,
            "{name: range, metadata: other}",
            "{name: sticky, metadata: n}",
        ],
    );
    lines.push(format!("a: {}", join(rng.i16(5..=9), group, "\"\"", "i", protocols)));
    lines.push(format!("let l{n} = memberId"));
    let both = [one.clone(), two.clone()];
    for _ in 0..rng.usize(1..6) {
        lines.push(match rng.u8(0..6) {
            0 => {
                let (generation, member) = (pick(rng, &["1", "2"]), pick(rng, &[&one, &two]));
                sync(rng, group, generation, member, "i")
            }
            1 => {
                let (member, instance) = (pick(rng, &[&one, &two, "nobody"]), pick(rng, &["i", "i", "z"]));
                format!("a: {}", join(rng.i16(5..=9), group, member, instance, protocols))
            }
            _ => at_once(rng, group, &both, "i"),
        });
    }
    lines.push(leave(rng, group, &both, "i"));
    lines.push(at_once(rng, group, &both, "i"));
    lines
}

/// A member that has its id and has not joined with it.
fn pending(rng: &mut Rng, group: &str, n: usize) -> Vec<String> {
    let protocols = "{name: range, metadata: m}";
    let version = rng.i16(4..=9);
    let mut lines = vec![
        format!("a: {}", join(version, group, "\"\"", "", protocols)),
        format!("let k{n} = memberId"),
    ];
    let one = [format!("$k{n}")];
    for _ in 0..rng.usize(0..3) {
        lines.push(at_once(rng, group, &one, ""));
    }
    if rng.u8(0..3) == 0 {
        lines.push(leave(rng, group, &one, ""));
        lines.push(at_once(rng, group, &one, ""));
        return lines;
    }
    lines.push(format!("a: {}", join(rng.i16(0..=9), group, &one[0], "", protocols)));
    for _ in 0..rng.usize(0..3) {
        lines.push(at_once(rng, group, &one, ""));
    }
    lines.push(sync(rng, group, "1", &one[0], ""));
    for _ in 0..rng.usize(0..4) {
        lines.push(at_once(rng, group, &one, ""));
    }
    lines
}
