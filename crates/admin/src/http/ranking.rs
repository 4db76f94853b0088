//! Sorted links, in pages.
//!
//! A page begins behind a key of the order, not behind a number of links: links that come and go in the meantime shift
//! nothing. The workers are asked for all links, and only those of the page are kept.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use crate::observe::{AskError, LinkFilter, LinkId, LinkInfo, Observe};

/// The order of links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// By number.
    #[default]
    Id,
    /// Most bytes in both directions first.
    Busiest,
    /// Longest held up first, then most waiting bytes.
    Slowest,
}

/// The sort key of a link: what counts most first, its number last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    first: Reverse<u64>,
    second: Reverse<u64>,
    link: u32,
}

/// A page of sorted links.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) links: Vec<LinkInfo>,
    /// The key behind which the next page begins; `None` on the last page.
    pub(super) next: Option<SortKey>,
}

/// A link with its key.
struct Ranked {
    key: SortKey,
    link: LinkInfo,
}

impl Order {
    /// The values of the parameter `sort`.
    pub(super) const WORDS: &str = "id, busiest or slowest";

    pub(super) fn sort_key(self, link: &LinkInfo) -> SortKey {
        let (first, second) = match self {
            Self::Id => (0, 0),
            Self::Busiest => (link.traffic.received_bytes + link.traffic.sent_bytes, 0),
            Self::Slowest => {
                let longest = link.held_up().map(|(_, lasting)| lasting.as_millis()).max().unwrap_or(0);
                (u64::try_from(longest).unwrap_or(u64::MAX), link.waiting.bytes as u64)
            }
        };
        SortKey::new(first, second, link.id)
    }

    /// At most `limit` links of the filter, behind the key `after`.
    ///
    /// # Errors
    /// A worker has not answered.
    pub(super) fn page(
        self,
        observer: &dyn Observe,
        filter: &LinkFilter,
        after: Option<SortKey>,
        limit: usize,
    ) -> Result<Page, AskError> {
        let mut first = TopN::new(limit);
        observer.visit_links(filter, &mut |link| {
            let key = self.sort_key(&link);
            if after.is_none_or(|after| key > after) {
                first.add(key, link);
            }
            ControlFlow::Continue(())
        })?;
        Ok(first.page())
    }
}

impl SortKey {
    /// A key that comes before all keys with a smaller `first`.
    pub(super) fn new(first: u64, second: u64, link: LinkId) -> Self {
        Self { first: Reverse(first), second: Reverse(second), link: link.get() }
    }
}

/// The first `limit` of all added links.
pub(super) struct TopN {
    limit: usize,
    /// One more than `limit`, which shows whether there are more.
    kept: BinaryHeap<Ranked>,
}

impl TopN {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new() }
    }

    pub(super) fn add(&mut self, key: SortKey, link: LinkInfo) {
        self.kept.push(Ranked { key, link });
        if self.kept.len() > self.limit + 1 {
            self.kept.pop();
        }
    }

    pub(super) fn page(self) -> Page {
        let mut ranked = self.kept.into_sorted_vec();
        let more = ranked.len() > self.limit;
        ranked.truncate(self.limit);
        let next = ranked.last().map(|last| last.key).filter(|_| more);
        Page { links: ranked.into_iter().map(|ranked| ranked.link).collect(), next }
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl FromStr for Order {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "id" => Ok(Self::Id),
            "busiest" => Ok(Self::Busiest),
            "slowest" => Ok(Self::Slowest),
            _ => Err(()),
        }
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.first.0, self.second.0, self.link)
    }
}

impl FromStr for SortKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let [Some(first), Some(second), Some(link), None] = [(); 4].map(|()| parts.next()) else { return Err(()) };
        Ok(Self {
            first: Reverse(first.parse().map_err(drop)?),
            second: Reverse(second.parse().map_err(drop)?),
            link: link.parse().map_err(drop)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::{Traffic, WaitReason, Waiting};

    fn link(id: u32, bytes: u64, waiting: usize) -> LinkInfo {
        LinkInfo {
            id: LinkId::new(id),
            traffic: Traffic { received_bytes: bytes, ..Traffic::default() },
            waiting: Waiting { bytes: waiting, ..Waiting::default() },
            ..LinkInfo::default()
        }
    }

    /// The numbers on each page of `limit` links.
    fn pages(order: Order, links: &[LinkInfo], limit: usize) -> Vec<Vec<u32>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let mut top = TopN::new(limit);
            let behind = links.iter().filter(|link| after.is_none_or(|after| order.sort_key(link) > after));
            behind.for_each(|link| top.add(order.sort_key(link), link.clone()));
            let page = top.page();
            pages.push(page.links.iter().map(|link| link.id.get()).collect());
            after = page.next.map(|next| next.to_string().parse().unwrap());
            if after.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn pages_follow_each_other_in_every_order() {
        let mut held = link(5, 1, 0);
        held.waits = LinkInfo::held_up_for(&[(WaitReason::OutboxFull, Duration::from_secs(9))]);
        let links = [link(3, 10, 7), link(1, 30, 7), link(4, 10, 9), held, link(2, 20, 0)];
        assert_eq!(pages(Order::Id, &links, 2), [&[1, 2][..], &[3, 4], &[5]]);
        assert_eq!(pages(Order::Busiest, &links, 2), [&[1, 2][..], &[3, 4], &[5]]);
        assert_eq!(pages(Order::Slowest, &links, 2), [&[5, 4][..], &[1, 3], &[2]]);
        assert_eq!(pages(Order::Slowest, &links, 5), [[5, 4, 1, 3, 2]]);
        assert_eq!(pages(Order::Id, &[], 5), [Vec::<u32>::new()]);
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let key = Order::Busiest.sort_key(&link(7, 123, 0));
        assert_eq!(key.to_string(), "123.0.7");
        assert_eq!("123.0.7".parse(), Ok(key));
        for text in ["", "1", "1.2", "1.2.3.4", "a.2.3", "1.2.-3", "1.2.4294967296", "18446744073709551616.0.1"] {
            assert_eq!(text.parse::<SortKey>(), Err(()), "{text}");
        }
    }
}
