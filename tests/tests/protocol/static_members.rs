//! Static members (KIP-345).

use std::time::Duration;

use kafka_protocol::error::ResponseError::{self, *};
use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::protocol::StrBytes;
use kfake::Cluster;
use kfake_tests::{Member, text};
use leakcheck::leakcheck;
use tokio::time::advance;

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().start().await.unwrap()
}

fn is(code: i16, error: ResponseError) -> bool {
    code == error.code()
}

#[leakcheck(start_paused)]
async fn a_static_member_that_restarts_keeps_its_place_and_fences_its_old_self() {
    let cluster = cluster().await;
    let mut before = Member::of(&cluster, "billing").with_instance("a");
    before.join_alone().await.unwrap();
    let mut after = Member::of(&cluster, "billing").with_instance("a");
    let joined = after.join().await.unwrap();
    // KIP-814: the leader is back, nothing has changed, the assignment stays.
    assert_eq!(
        (joined.error_code, joined.generation_id, joined.skip_assignment),
        (0, 1, true)
    );
    assert_ne!(after.id, before.id);
    assert_eq!(joined.leader, after.id);
    let synced = after.sync(&[]).await.unwrap();
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"everything"[..]));
    assert!(is(before.heartbeat().await.unwrap(), FencedInstanceId));
    assert_eq!(after.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn before_version_9_a_leader_that_restarts_is_told_of_another_leader() {
    let cluster = cluster().await;
    let mut before = Member::of(&cluster, "billing").with_instance("a");
    before.join_alone().await.unwrap();
    let mut after = Member::of(&cluster, "billing").with_instance("a");
    after.version = 8;
    let joined = after.join().await.unwrap();
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.leader, before.id);
    assert!(joined.members.is_empty());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_join_that_waits_under_the_old_id_is_fenced() {
    let cluster = cluster().await;
    let mut leader = Member::of(&cluster, "billing");
    leader.join_alone().await.unwrap();
    let mut before = Member::of(&cluster, "billing").with_instance("a");
    let waiting = before.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 2)
        .await
        .unwrap();
    let mut after = Member::of(&cluster, "billing").with_instance("a");
    let joining = after.start_join().await.unwrap();
    assert!(is(
        before.finish_join(waiting).await.unwrap().error_code,
        FencedInstanceId
    ));
    let joined = leader.join().await.unwrap();
    assert_eq!(joined.members.len(), 2);
    assert_eq!(after.finish_join(joining).await.unwrap().error_code, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_static_member_stays_until_its_session_ends() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing").with_instance("a");
    member.join_alone().await.unwrap();
    drop(member);
    advance(Duration::from_secs(9)).await;
    assert_eq!(cluster.group("billing").unwrap().members.len(), 1);
    advance(Duration::from_secs(2)).await;
    // The rebalance that its end starts finds nobody.
    cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing").with_instance("a");
    member.join_alone().await.unwrap();
    let leave = |instance: &str| {
        let identity = MemberIdentity::default()
            .with_member_id(StrBytes::new())
            .with_group_instance_id(Some(text(instance)));
        LeaveGroupRequest::default()
            .with_group_id(kafka_protocol::messages::GroupId(text("billing")))
            .with_members(vec![identity])
    };
    let refused = member.client.send(leave("b")).await.unwrap();
    assert!(is(refused.members[0].error_code, UnknownMemberId));
    let left = member.client.send(leave("a")).await.unwrap();
    assert_eq!(left.members[0].error_code, 0);
    cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    cluster.close().await;
}

/// A rebalance timeout of nothing must not keep the group's task, and with it a paused clock, busy.
#[leakcheck(start_paused)]
async fn a_rebalance_that_waits_for_a_static_member_alone_lets_time_pass() {
    let cluster = cluster().await;
    let mut leader = Member::of(&cluster, "billing");
    leader.join_alone().await.unwrap();
    let mut fixed = Member::of(&cluster, "billing").with_instance("a");
    fixed.rebalance_timeout = 0;
    let joining = fixed.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 2)
        .await
        .unwrap();
    leader.join().await.unwrap();
    fixed.finish_join(joining).await.unwrap();
    assert_eq!(leader.sync(&[]).await.unwrap().error_code, 0);
    assert_eq!(fixed.sync(&[]).await.unwrap().error_code, 0);
    // The rebalance that this starts has only the static member to wait for, which does not join.
    assert_eq!(leader.leave().await.unwrap(), 0);
    cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    cluster.close().await;
}

/// The longest that a text can be. A member's id begins with its instance's or its client's, and is longer.
fn longest() -> String {
    "x".repeat(i16::MAX as usize)
}

#[leakcheck(start_paused)]
async fn an_instance_whose_members_have_no_id_that_can_be_said_is_refused_and_the_others_go_on() {
    let cluster = cluster().await;
    let mut leader = Member::of(&cluster, "billing");
    leader.join_alone().await.unwrap();
    for version in [5, 9] {
        let mut other = Member::of(&cluster, "billing").with_instance(&longest());
        other.version = version;
        let refused = other.join().await.unwrap();
        assert!(is(refused.error_code, UnknownServerError), "{refused:?}");
        assert!(refused.member_id.is_empty());
    }
    assert_eq!(leader.heartbeat().await.unwrap(), 0);
    // One that fits has the longest id that there can be.
    let mut fits = Member::of(&cluster, "trading").with_instance(&longest()[37..]);
    assert_eq!(fits.join().await.unwrap().error_code, 0);
    assert_eq!(fits.id.len(), i16::MAX as usize);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_client_whose_members_have_no_id_that_can_be_said_is_refused() {
    let cluster = cluster().await;
    for version in [3, 4, 9] {
        let mut member = Member::of(&cluster, "billing");
        member.client = member.client.with_client_id(longest());
        let refused = member
            .client
            .send_version(member.join_request(), version)
            .await
            .unwrap();
        assert!(is(refused.error_code, UnknownServerError), "{refused:?}");
    }
    cluster.close().await;
}
