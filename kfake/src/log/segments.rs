//! A log's segments, in the order of their base offsets (Kafka's `LogSegments`).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::segment::Segment;

/// At least one segment; the last is active: the one that batches are appended to. Those before it do not change any more, so
/// that compaction can read them while the log goes on.
#[derive(Debug)]
pub(super) struct Segments {
    list: VecDeque<Arc<Segment>>,
}

impl Segments {
    /// One empty segment.
    pub fn new(base_offset: i64) -> Self {
        Self {
            list: VecDeque::from([Arc::new(Segment::new(base_offset, None, 0))]),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Segment> + ExactSizeIterator {
        self.list.iter().map(|segment| &**segment)
    }

    pub fn range(&self, places: Range<usize>) -> impl DoubleEndedIterator<Item = &Segment> {
        self.list.range(places).map(|segment| &**segment)
    }

    /// Some segments, shared.
    pub fn shared(&self, places: Range<usize>) -> Vec<Arc<Segment>> {
        self.list.range(places).cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.list.len()
    }

    pub fn first(&self) -> &Segment {
        &self.list[0]
    }

    pub fn active(&self) -> &Segment {
        &self.list[self.list.len() - 1]
    }

    pub fn active_mut(&mut self) -> &mut Segment {
        let last = self.list.len() - 1;
        Arc::make_mut(&mut self.list[last])
    }

    /// All segments' bytes together.
    pub fn size(&self) -> usize {
        self.list.iter().map(|segment| segment.size).sum()
    }

    /// The place of the last segment that begins at or before `offset`; the first where none does.
    pub fn place_of(&self, offset: i64) -> usize {
        let after = self.list.partition_point(|segment| segment.base_offset <= offset);
        after.saturating_sub(1)
    }

    /// The places of the segments from the one that holds `from` to the one that holds the offset before `to`
    /// (`LogSegments.values`).
    pub fn places(&self, from: i64, to: i64) -> Range<usize> {
        if from == to {
            return 0..0;
        }
        let first = self.place_of(from);
        let end = self.list.partition_point(|segment| segment.base_offset < to);
        first..end.max(first)
    }

    /// As [`places`](Self::places) up to the active segment, which is left out; none where `from` lies in it
    /// (`LogSegments.nonActiveLogSegmentsFrom`).
    pub fn inactive_places(&self, from: i64) -> Range<usize> {
        let active = self.active().base_offset;
        match from > active {
            true => 0..0,
            false => self.places(from, active),
        }
    }

    /// Begins a new active segment at `base_offset`. An empty active segment with the same base makes room for it.
    pub fn roll(&mut self, base_offset: i64, now_ms: i64, jitter_ms: i64) {
        let active = self.active_mut();
        if active.is_empty() && active.base_offset == base_offset {
            self.list.pop_back();
        } else {
            active.seal();
        }
        self.list
            .push_back(Arc::new(Segment::new(base_offset, Some(now_ms), jitter_ms)));
    }

    /// Drops the batches that hold `offset` or lie behind it. The segment that is last then is active; where none is left, an
    /// empty one that begins there is (`LocalLog.truncateTo` and `truncateFullyAndStartAt`).
    pub fn truncate(&mut self, offset: i64, index_interval_bytes: usize) {
        if offset < self.first().base_offset {
            *self = Self::new(offset);
            return;
        }
        while self.list.len() > 1 && self.active().base_offset >= offset {
            self.list.pop_back();
        }
        self.active_mut().truncate(offset, index_interval_bytes);
    }

    /// Drops the first `count` segments, which are not all.
    pub fn drop_first(&mut self, count: usize) {
        let count = count.min(self.list.len() - 1);
        self.list.drain(..count);
    }

    /// Puts `with` in the place of these segments, if they are still all there, and says so.
    pub fn replace(&mut self, these: &[Arc<Segment>], with: Segment) -> bool {
        let Some(first) = these.first() else {
            return false;
        };
        let Some(start) = self.list.iter().position(|segment| Arc::ptr_eq(segment, first)) else {
            return false;
        };
        let places = start..(start + these.len()).min(self.list.len());
        let same = |(old, new): (&Arc<Segment>, &Arc<Segment>)| Arc::ptr_eq(old, new);
        if places.len() != these.len() || !self.list.range(places.clone()).zip(these).all(same) {
            return false;
        }
        self.list.drain(places);
        self.list.insert(start, Arc::new(with));
        true
    }
}
