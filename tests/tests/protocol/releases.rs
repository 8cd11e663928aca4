//! Clusters that offer what a release of Apache Kafka does, and no more.

use kafka_protocol::messages::{ListGroupsRequest, MetadataRequest};
use kfake::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kfake::{BrokerId, Builder, Cluster, StartError};
use kfake_tests::{first_broker, text};
use leakcheck::leakcheck;

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"))
}

fn versions(offered: &ApiVersionsResponse, key: i16) -> Option<(i16, i16)> {
    let api = offered.api_keys.iter().find(|api| api.api_key == key);
    api.map(|api| (api.min_version, api.max_version))
}

async fn start(builder: Builder) -> Cluster {
    builder.in_memory().start().await.unwrap()
}

async fn offered(release: &str, version: i16) -> ApiVersionsResponse {
    let cluster = start(Cluster::builder().as_version(release)).await;
    let offered = first_broker(&cluster).send_version(request(), version).await.unwrap();
    cluster.close().await;
    assert_eq!(offered.error_code, 0);
    offered
}

#[leakcheck(start_paused)]
async fn each_release_offers_its_own_versions() {
    // Fetch, ApiVersions, DeleteGroups, OffsetDelete.
    for (release, version, expected) in [
        ("0.11", 1, [Some((4, 5)), Some((0, 1)), None, None]),
        ("1.1.1", 1, [Some((4, 7)), Some((0, 1)), Some((0, 0)), None]),
        ("2.4", 3, [Some((4, 11)), Some((0, 3)), Some((0, 2)), Some((0, 0))]),
        ("3.9", 4, [Some((4, 17)), Some((0, 4)), Some((0, 2)), Some((0, 0))]),
        ("4.4", 5, [Some((4, 18)), Some((0, 5)), Some((0, 3)), Some((0, 0))]),
    ] {
        let offered = offered(release, version).await;
        assert_eq!(
            [1, 18, 42, 47].map(|key| versions(&offered, key)),
            expected,
            "{release}"
        );
    }
}

#[leakcheck(start_paused)]
async fn features_are_those_of_the_release() {
    let names = |offered: &ApiVersionsResponse| {
        let features = offered.finalized_features.iter();
        features
            .map(|f| (f.name.to_string(), f.max_version_level))
            .collect::<Vec<_>>()
    };
    let zookeeper = offered("3.2", 3).await;
    assert_eq!(
        (names(&zookeeper), zookeeper.finalized_features_epoch),
        (Vec::new(), -1)
    );
    assert_eq!(names(&offered("3.3", 3).await), [("metadata.version".to_owned(), 7)]);
    let expected = [
        ("group.version", 1),
        ("metadata.version", 25),
        ("transaction.version", 2),
    ];
    assert_eq!(
        names(&offered("4.0", 4).await),
        expected.map(|(name, level)| (name.to_owned(), level))
    );
}

#[leakcheck(start_paused)]
async fn what_a_release_does_not_have_closes_the_connection() {
    let cluster = start(Cluster::builder().as_version("2.3")).await;
    let mut client = first_broker(&cluster);
    client.send_version(MetadataRequest::default(), 8).await.unwrap();
    let error = client.send_version(MetadataRequest::default(), 9).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
    let mut client = first_broker(&cluster);
    client.send_version(ListGroupsRequest::default(), 2).await.unwrap();
    // KIP-511 is of 2.4; a version of ApiVersions that is not there is answered in version 0 all the same.
    let answer = client.send_version(ApiVersionsRequest::default(), 0).await.unwrap();
    assert_eq!(versions(&answer, 18), Some((0, 2)));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_highest_version_limits_what_a_release_offers_and_does_not_widen_it() {
    let cluster = start(
        Cluster::builder()
            .as_version("2.4")
            .max_version(1, 7)
            .max_version(3, 13),
    )
    .await;
    let offered = first_broker(&cluster).send_version(request(), 3).await.unwrap();
    assert_eq!(versions(&offered, 1), Some((4, 7)));
    assert_eq!(versions(&offered, 3), Some((0, 9)));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_release_that_is_not_known_is_refused_with_those_that_are() {
    let error = Cluster::builder()
        .in_memory()
        .as_version("0.9")
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Release(_)));
    let text = error.to_string();
    assert!(
        text.contains("known as 0.9") && text.contains("0.11, 1.0, 1.1, 2.0"),
        "{text}"
    );
}

#[leakcheck(start_paused)]
async fn a_client_that_means_this_broker_is_welcome_and_one_that_means_another_is_told() {
    let cluster = start(Cluster::builder().cluster_id("here")).await;
    let mut client = cluster.client(BrokerId(2)).unwrap();
    for (id, node, code) in [
        ("here", 2, 0),
        ("here", 1, 129),
        ("elsewhere", 2, 129),
        ("here", -1, 42),
    ] {
        let request = request().with_cluster_id(Some(text(id))).with_node_id(node);
        let offered = client.send_version(request, 5).await.unwrap();
        assert_eq!(
            (offered.error_code, offered.api_keys.is_empty()),
            (code, code != 0),
            "{id} {node}"
        );
    }
    cluster.close().await;
}
