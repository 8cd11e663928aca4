//! What a mebibyte of records costs to judge, to append and to read.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kfake::log::{Isolation, Log, OffsetSpec, Rules};

const MIB: usize = 1 << 20;
/// A record of 1 KiB: length, attributes, timestamp delta, offset delta, no key, value, no headers.
const VALUE: usize = 1_008;

fn varint(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out
}

fn records(count: i64, value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for nth in 0..count {
        let mut body = vec![0, 0];
        body.extend(varint(nth));
        body.push(1);
        body.extend(varint(value as i64));
        body.extend((0..value).map(|at| (at * 31 + nth as usize) as u8));
        body.push(0);
        out.extend(varint(body.len() as i64));
        out.extend(body);
    }
    out
}

fn batch(attributes: i16, count: i32, records: &[u8]) -> Bytes {
    let mut out = vec![0u8; 61];
    out.extend(records);
    let length = out.len() as i32 - 12;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[16] = 2;
    out[21..23].copy_from_slice(&attributes.to_be_bytes());
    out[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    out[43..51].copy_from_slice(&(-1i64).to_be_bytes());
    out[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out.into()
}

fn bench(criterion: &mut Criterion) {
    let rules = Rules {
        max_message_bytes: 2 * MIB,
        ..Rules::default()
    };
    let log = || Log::new(0);
    let plain = batch(0, 1_024, &records(1_024, VALUE));
    let small = batch(0, 10_000, &records(10_000, 96));
    let zstd = batch(
        4,
        1_024,
        &zstd::encode_all(&records(1_024, VALUE)[..], 3).expect("zstd encodes"),
    );

    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Bytes(MIB as u64));
    for (name, bytes) in [
        ("1 KiB records", &plain),
        ("100 B records", &small),
        ("1 KiB records, zstd", &zstd),
    ] {
        group.bench_function(format!("validate 1 MiB of {name}"), |b| {
            b.iter(|| rules.validate(black_box(bytes.clone()), 9, 0).expect("valid"));
        });
    }
    group.bench_function("crc32c 1 MiB, for comparison", |b| {
        b.iter(|| crc32c::crc32c(black_box(&plain)));
    });
    group.bench_function("append 1 MiB, validated", |b| {
        b.iter_batched(
            || (log(), rules.validate(plain.clone(), 9, 0).expect("valid")),
            |(mut log, valid)| {
                log.append(valid).expect("appended");
                log
            },
            BatchSize::SmallInput,
        );
    });
    let mut full = log();
    for _ in 0..64 {
        full.append(rules.validate(plain.clone(), 9, 0).expect("valid"))
            .expect("appended");
    }
    group.bench_function("read 1 MiB", |b| {
        b.iter(|| {
            full.read(black_box(30_000), MIB, true, Isolation::Uncommitted)
                .expect("in range")
        });
    });
    group.finish();

    // Timestamps are all alike, so the first batch has the answer; beyond them, the search is all there is.
    let mut group = criterion.benchmark_group("look-up");
    for (name, spec) in [
        ("the latest offset", OffsetSpec::Latest),
        ("a time that the first of 64 MiB has", OffsetSpec::At(0)),
        ("a time after all", OffsetSpec::At(1 << 50)),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| full.find(black_box(spec), Isolation::Uncommitted).expect("walked"));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
