//! That the tests of closing can fail: clusters with the shutdown missing from one of their waits leave a task behind that
//! leakcheck finds, with real members too.

use std::time::Duration;

use kfake::{Cluster, Plant};
use leakcheck::{Check, Report};

use super::closing::{Members, builder, empty, rebalancing, stable};

/// Lets a cluster with the planted bug go under its clients, ends these, and returns what is left.
fn check(plant: Option<Plant>, group: impl AsyncFnOnce(&Cluster) -> Members) -> Report {
    let check = Check::new("a cluster with a planted bug").grace(Duration::from_millis(500));
    let outcome = check.run(async move {
        let builder = match plant {
            Some(plant) => builder().plant(plant),
            None => builder(),
        };
        let cluster = builder.start().await.unwrap();
        let members = group(&cluster).await;
        drop(cluster);
        members.end().await;
    });
    outcome.body.expect("the scenario runs");
    outcome.report
}

/// Sees that the planted bug leaks the group's task and nothing else, and that without it nothing leaks.
fn caught(plant: Plant, group: impl AsyncFn(&Cluster) -> Members) {
    let clean = check(None, &group);
    assert!(clean.is_clean(), "without the planted bug:\n{clean}");
    let report = check(Some(plant), &group);
    let leaked: Vec<_> = report.leaks.iter().map(|leak| (&*leak.group, &*leak.name)).collect();
    assert_eq!(leaked, [("group:billing", "manage")], "{plant:?}:\n{report}");
    let at = report.leaks[0]
        .waiting_at
        .as_ref()
        .expect("the leak says where it waits");
    assert_eq!(at.file, "kfake/src/group/manage.rs", "{report}");
}

#[test]
fn the_manage_loop_without_shutdown_is_caught_with_a_real_member() {
    caught(Plant::Manage, async |cluster: &Cluster| empty(cluster, "billing").await);
}

#[test]
fn the_rebalance_timer_without_shutdown_is_caught_with_real_members() {
    caught(Plant::Rebalance, async |cluster: &Cluster| {
        rebalancing(cluster, "billing").await
    });
}

#[test]
fn the_session_timeout_without_shutdown_is_caught_with_real_members() {
    caught(Plant::Session, async |cluster: &Cluster| {
        stable(cluster, "billing").await
    });
}

#[test]
fn a_group_that_only_delete_groups_ends_is_caught_with_real_members() {
    caught(Plant::OnlyDeleteGroups, async |cluster: &Cluster| {
        stable(cluster, "billing").await
    });
}
