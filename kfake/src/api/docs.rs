//! The documentation's table of what is supported, made from the table of APIs: `docs/apis.md`.
//!
//! `KFAKE_WRITE_DOCS=1 cargo test -p kfake --lib docs` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::VersionRange;

use super::{Api, all, versions};
use crate::cluster::releases::{Offered, Release};

const WRITE: &str = "KFAKE_WRITE_DOCS";

const HEAD: &str = "\
# What kfake answers

Every API that kfake has, with its versions, those of Apache Kafka {newest}, and what each version added. `--as-version` and
`Builder::as_version` offer what a release has of it, from 0.11 on; `--max-versions` and `Builder::max_version` limit one API.

This page is made from the handlers' own declarations: `KFAKE_WRITE_DOCS=1 cargo test -p kfake --lib docs` writes it, and
`cargo test` fails where it is stale.

| key | API | kfake | Kafka {newest} | what versions added |
| --- | --- | --- | --- | --- |
";

/// A file's opening comment: its first line, and then what it says of versions.
fn opening(module: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let places = [format!("{module}.rs"), format!("{module}/mod.rs")];
    let text = places
        .iter()
        .find_map(|place| std::fs::read_to_string(folder.join(place)).ok())
        .unwrap_or_else(|| panic!("no file of the module {module}"));
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

/// The items of the opening's list, one after the other.
fn added(opening: &str) -> String {
    let list = opening.lines().skip_while(|line| !line.starts_with("- "));
    let list = list.take_while(|line| !line.is_empty());
    let text = list
        .map(|line| line.trim_start_matches("- "))
        .collect::<Vec<_>>()
        .join(" ");
    text.replace('|', "\\|")
}

fn range((min, max): (i16, i16)) -> String {
    match min == max {
        true => min.to_string(),
        false => format!("{min}–{max}"),
    }
}

fn page() -> String {
    let newest = Offered::default();
    let mut page = HEAD.replace("{newest}", newest.release.name);
    let mut missing: BTreeMap<i16, (i16, i16)> = newest.release.apis().collect();
    for api in all() {
        let theirs = missing.remove(&(api.key as i16)).map_or("-".to_owned(), range);
        let VersionRange { min, max } = api.versions;
        let _ = writeln!(
            page,
            "| {} | {:?} | {} | {theirs} | {} |",
            api.key as i16,
            api.key,
            range((min, max)),
            added(&opening(api.module)),
        );
    }
    let names = missing.keys().map(|key| match ApiKey::try_from(*key) {
        Ok(key) => format!("{key:?} ({})", key as i16),
        Err(()) => format!("key {key}"),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let _ = write!(
        page,
        "\nWhat Apache Kafka {} offers beside it and kfake does not: {names}.\n",
        newest.release.name
    );
    let _ = write!(
        page,
        "\n## Releases\n\nHow many of these APIs `--as-version` offers:\n\n| release | APIs | features |\n| --- | --- | --- |\n"
    );
    for release in Release::all() {
        let offered = Offered::new(release, BTreeMap::new());
        let apis = all().filter(|api| versions::of(api, &offered).is_some()).count();
        let features = release
            .features
            .iter()
            .map(|f| format!("{} {}", f.name, range((f.min, f.max))));
        let features = features.collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| {} | {apis} | {features} |", release.name);
    }
    page
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/apis.md")
}

#[test]
fn the_page_of_apis_is_what_the_table_says() {
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(file(), &page).unwrap();
    }
    let kept = std::fs::read_to_string(file()).unwrap();
    assert!(
        kept == page,
        "docs/apis.md is stale: run `{WRITE}=1 cargo test -p kfake --lib docs`"
    );
}

/// What a file's first line must say of its API: key and versions.
fn title(api: &Api) -> String {
    let VersionRange { min, max } = api.versions;
    let versions = match min == max {
        true => format!("version {min}"),
        false => format!("versions {min}–{max}"),
    };
    format!("{:?} (key {}), {versions}", api.key, api.key as i16)
}

#[test]
fn every_file_opens_with_the_versions_that_it_has() {
    for api in all() {
        let opening = opening(api.module);
        let title = title(&api);
        assert!(
            opening.starts_with(&title),
            "{}.rs begins with:\n{opening}and not with: {title}",
            api.module
        );
    }
}

#[test]
fn a_stale_opening_is_seen() {
    let api = all().next().unwrap();
    let mut newer = api;
    newer.versions.max += 1;
    assert!(opening(api.module).starts_with(&title(&api)));
    assert!(!opening(api.module).starts_with(&title(&newer)));
}
