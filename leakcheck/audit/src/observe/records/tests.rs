use super::*;

fn file(records: &[&[u64]]) -> Vec<u8> {
    let mut words = vec![0_u64; HEADER / 8];
    words[0] = MAGIC;
    words[1] = 7;
    for record in records {
        words.push(record[0] | (record.len() as u64) << 8);
        words.extend(&record[1..]);
    }
    words[4] = words.len() as u64 * 8;
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[test]
fn a_stack_is_read_from_its_leaf_to_its_root() {
    let first = HEADER as u64;
    let process = Process::parse(&file(&[&[1, 0, 0x30], &[1, first, 0x20], &[1, first + 24, 0x10]]));

    assert_eq!(process.expect("sound").stack(first + 48), [0x10, 0x20, 0x30]);
}

#[test]
fn a_file_that_was_loaded_has_its_uuid() {
    let first = HEADER as u64;
    let name = u64::from_ne_bytes(*b"/a/b/c/d");
    let process = Process::parse(&file(&[
        &[3, 0x4000, 0x1_0000_4000, 0x1_0000_8000, 0],
        &[
            10,
            first,
            u64::from_ne_bytes(*b"01234567"),
            u64::from_ne_bytes(*b"89abcdef"),
        ],
        &[3, 0, 0x2000, 0x3000, 8, name],
        &[10, first + 8, 1, 2],
    ]))
    .expect("sound");

    let uuids: Vec<_> = process.objects.iter().map(|object| object.uuid).collect();
    assert_eq!(uuids, [Some(*b"0123456789abcdef"), None]);
    assert_eq!(process.objects.iter().find_map(|object| object.file), None);
    assert_eq!(process.objects[1].path, "/a/b/c/d");
}

#[test]
fn a_file_that_was_loaded_is_told_from_its_successor() {
    let first = HEADER as u64;
    let process = Process::parse(&file(&[&[3, 0, 0x2000, 0x3000, 0], &[11, first, 5, 6]])).expect("sound");
    let id = FileId {
        inode: 5,
        written_ns: 6,
    };
    assert_eq!((process.objects[0].file, process.objects[0].uuid), (Some(id), None));
}

#[test]
fn a_stack_that_points_forward_ends() {
    let first = HEADER as u64;
    let process = Process::parse(&file(&[&[1, first + 24, 0x30], &[1, first, 0x20]])).expect("sound");

    assert_eq!(process.stack(first), [0x30]);
    assert_eq!(process.stack(first + 24), [0x20, 0x30]);
}

#[test]
fn a_file_cut_off_anywhere_is_broken_and_no_more() {
    let whole = file(&[&[1, 0, 0x30], &[4, 1, 2, 3, 0, 9, 0, 64, 1, 2, 0]]);
    assert_eq!(Process::parse(&whole).expect("sound").folds[0].count, 9);

    for length in 0..whole.len() {
        assert!(Process::parse(&whole[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_record_that_a_killed_process_was_writing_is_left_out_and_counted() {
    let fold = HEADER as u64;
    // A region that claims more bytes than its record has.
    let torn = [6, fold, 0x1000, 8, 0, 8, 3, 0, 0, 0, 5, 0x2000, 800, 6];
    let mut killed = file(&[&[4, 1, 2, 3, 0, 9, 0, 64, 10, 30, 0], &torn, &[1, 0, 0x30]]);
    let process = Process::parse(&killed).expect("what else there is");
    assert_eq!(
        (process.torn, process.folds[0].count, process.folds[0].copies.len()),
        (1, 9, 0)
    );
    assert_eq!(process.stack(fold + 8 * (11 + 14)), [0x30]);

    killed[24..32].copy_from_slice(&1_u64.to_ne_bytes());
    let refused = Process::parse(&killed).expect_err("nothing ended it");
    assert_eq!(refused.to_string(), "a record is too short");
}

#[test]
fn a_copy_comes_with_what_its_boxes_pointed_to_and_with_its_lifetime() {
    let fold = HEADER as u64;
    let process = Process::parse(&file(&[
        &[4, 1, 2, 3, 0, 9, 0, 64, 10, 30, 0],
        &[
            6,
            fold,
            0x1000,
            8,
            0,
            8,
            3,
            0xcc,
            1,
            2,
            5,
            0x2000,
            8,
            6,
            1 << 3,
            1 << 7,
            1 << 63,
        ],
        &[9, fold, 1, 10, 20],
    ]))
    .expect("sound");

    let fold = &process.folds[0];
    let region = Region {
        address: 0x2000,
        bytes: 6_u64.to_ne_bytes().to_vec(),
    };
    assert_eq!(fold.copies[0].bytes, 5_u64.to_ne_bytes());
    assert_eq!((fold.copies[0].end, &*fold.copies[0].more), (Some(0xcc), &[region][..]));
    let quiet: Vec<_> = (0..200).filter(|fd| fold.copies[0].is_quiet(*fd)).collect();
    assert_eq!((quiet, fold.copies[0].is_last), (vec![7, 127], false));
    let still: Vec<_> = (0..200).filter(|fd| fold.copies[0].is_still(*fd)).collect();
    assert_eq!(still, [3]);
    assert_eq!(
        (fold.lived, &*fold.lifetimes),
        (lifetime(10, 30), &[lifetime(10, 20)][..])
    );
}

#[test]
fn a_thread_that_is_alive_is_told_of_with_what_blocks_it() {
    let (lineage, stack) = (HEADER as u64, 9);
    let thread = |to, outlived, ancestor, blocked| {
        [
            8, lineage, 10, to, 0, outlived, 0, 0, ancestor, 77, 0, 0, stack, blocked,
        ]
    };
    let process = Process::parse(&file(&[
        &[2, 0, 7, 4, 1, 3, 10, 30, 0, 0],
        &thread(20, 1, 0, 0),
        &thread(0, 1, 0, 1),
        &thread(0, 1, 5, 3),
        &thread(0, 0, 0, 9),
    ]))
    .expect("sound");

    let threads = &process.threads[0];
    assert_eq!(threads.lifetimes[..2], [lifetime(10, 20), lifetime(10, 0)]);
    let alive: Vec<_> = threads
        .alive
        .iter()
        .map(|alive| (alive.outlived, alive.blocked))
        .collect();
    assert_eq!(
        alive,
        [
            (true, Some(Blocked::Waits)),
            (false, Some(Blocked::Accepts)),
            (false, None)
        ]
    );
    assert_eq!((threads.alive[0].from_ns, threads.alive[0].stack), (10, stack));
}

#[test]
fn bytes_that_make_no_sense_are_read_without_a_panic() {
    let mut random = 1_u64;
    let mut bytes = file(&[
        &[1, 0, 0x30],
        &[4, 1, 2, 3, 0, 9, 0, 64, 1, 2, 0],
        &[5, 1, 2, 3, 8, 8, 0, 1, 0, 0, 7, 0, 1, 0, 5],
        &[6, 1, 0x1000, 8, 0, 8, 3, 0, 1, 0, 5, 0x2000, 8, 6, 1],
        &[7, 3, 0, 0, 0x2000, 8, 6],
        &[8, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[9, 1, 1, 2, 3],
    ]);
    for _ in 0..2000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = HEADER - 8192 + 24 + (random >> 33) as usize % (bytes.len() - 24);
        bytes[at] ^= (random >> 20) as u8;
        if let Ok(process) = Process::parse(&bytes) {
            process.live.iter().for_each(|live| drop(process.stack(live.allocated)));
            process
                .folds
                .iter()
                .for_each(|fold| drop(process.creators(fold.lineage)));
        }
    }
}
