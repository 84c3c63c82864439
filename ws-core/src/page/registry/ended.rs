//! Remembers how streams have ended: whether their pages may continue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "cluster")]
use crate::log::Offset;
#[cfg(feature = "cluster")]
use crate::page::stream::EndedOn;
use crate::page::stream::EndedStream;

/// Pages of other servers that are remembered: the pages of several servers that end one after the
/// other.
#[cfg(feature = "cluster")]
pub(super) const MAX_ELSEWHERE: usize = 65_536;

/// The last stream of each page, on this server or on another one.
pub(super) struct EndedStreams {
    here: Mutex<State>,
    #[cfg(feature = "cluster")]
    elsewhere: Mutex<State>,
}

struct State {
    /// The number of pages that are remembered.
    max: usize,
    streams: HashMap<Arc<str>, Ended>,
    /// The pages in the order in which they were added.
    by_age: BTreeMap<u64, Arc<str>>,
    last: u64,
    /// The place in the first lane of the last forgotten notice of a stream that has ended with a
    /// loss, or may have.
    #[cfg(feature = "cluster")]
    forgotten: Option<Offset>,
    /// The place of the last notice that was added.
    #[cfg(feature = "cluster")]
    newest: Option<Offset>,
}

/// How a stream has ended.
struct Ended {
    stream: EndedStream,
    /// When it was added.
    added: u64,
    /// The place in the first lane of the notice of another server.
    #[cfg(feature = "cluster")]
    at: Option<Offset>,
}

impl State {
    fn new(max: usize) -> Self {
        Self {
            max,
            streams: HashMap::new(),
            by_age: BTreeMap::new(),
            last: 0,
            #[cfg(feature = "cluster")]
            forgotten: None,
            #[cfg(feature = "cluster")]
            newest: None,
        }
    }

    fn remove(&mut self, page: &str) -> Option<EndedStream> {
        let ended = self.streams.remove(page)?;
        self.by_age.remove(&ended.added);
        Some(ended.stream)
    }

    /// Remembers a stream. Past the limit, forgets the page that was added first.
    fn add(
        &mut self,
        page: &Arc<str>,
        stream: EndedStream,
        #[cfg(feature = "cluster")] at: Option<Offset>,
    ) {
        self.last += 1;
        let added = self.last;
        #[cfg(feature = "cluster")]
        {
            self.newest = self.newest.max(at);
        }
        let ended = Ended {
            stream,
            added,
            #[cfg(feature = "cluster")]
            at,
        };
        self.streams.insert(page.clone(), ended);
        self.by_age.insert(added, page.clone());
        if self.streams.len() > self.max
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            #[cfg(not(feature = "cluster"))]
            self.streams.remove(&oldest);
            #[cfg(feature = "cluster")]
            if let Some(ended) = self.streams.remove(&oldest)
                && ended.stream.needed > 0
            {
                self.forgotten = self.forgotten.max(ended.at);
            }
        }
    }
}

impl EndedStreams {
    pub(super) fn new(max: usize) -> Self {
        Self {
            here: Mutex::new(State::new(max)),
            #[cfg(feature = "cluster")]
            elsewhere: Mutex::new(State::new(MAX_ELSEWHERE)),
        }
    }

    fn here(&self) -> MutexGuard<'_, State> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "cluster")]
    fn elsewhere(&self) -> MutexGuard<'_, State> {
        let elsewhere = self.elsewhere.lock();
        elsewhere.unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of a page has ended here, perhaps without a loss.
    pub(super) fn set(&self, page: &Arc<str>, ended: Option<EndedStream>) {
        #[cfg(feature = "cluster")]
        self.elsewhere().remove(page);
        let mut here = self.here();
        here.remove(page);
        if let Some(ended) = ended {
            here.add(
                page,
                ended,
                #[cfg(feature = "cluster")]
                None,
            );
        }
    }

    /// The stream of a page has ended on another server, whose notice has this place in the first
    /// lane.
    #[cfg(feature = "cluster")]
    pub(super) fn set_elsewhere(&self, page: &Arc<str>, ended: EndedStream, at: Offset) {
        self.here().remove(page);
        let mut elsewhere = self.elsewhere();
        elsewhere.remove(page);
        elsewhere.add(page, ended, Some(at));
    }

    /// What was [taken](Self::take) is the last stream of the page again, unless another server has
    /// had one since.
    #[cfg(feature = "cluster")]
    pub(super) fn put_back(&self, page: &Arc<str>, ended: EndedStream) {
        let mut elsewhere = self.elsewhere();
        if elsewhere.streams.contains_key(page) {
            return;
        }
        match ended.place {
            EndedOn::Here => {
                let mut here = self.here();
                here.remove(page);
                here.add(page, ended, None);
            }
            EndedOn::Elsewhere | EndedOn::HandedOver { .. } => {
                // Its notice is not behind this place.
                let at = elsewhere.newest;
                elsewhere.add(page, ended, at);
            }
        }
    }

    /// Takes the last stream of a page, which begins another one.
    pub(super) fn take(&self, page: &str) -> Option<EndedStream> {
        let taken = self.here().remove(page);
        #[cfg(feature = "cluster")]
        let taken = taken.or_else(|| self.elsewhere().remove(page));
        taken
    }

    /// Whether a page with this place in the first lane may have missed something on another server:
    /// the notice of that is forgotten.
    #[cfg(feature = "cluster")]
    pub(super) fn may_have_lost(&self, place: Offset) -> bool {
        let forgotten = self.elsewhere().forgotten;
        forgotten.is_some_and(|at| at > place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(feature = "cluster"))]
    use crate::page::stream::EndedOn;

    #[test]
    fn the_pages_that_were_added_first_are_forgotten() {
        let ended = EndedStreams::new(2);
        let [a, b, c]: [Arc<str>; 3] = ["a", "b", "c"].map(Into::into);
        let stream = |number| {
            let (epoch, needed, place) = (7, 0, EndedOn::Here);
            Some(EndedStream {
                number,
                epoch,
                needed,
                place,
            })
        };
        ended.set(&a, stream(1));
        ended.set(&b, stream(2));
        ended.set(&a, stream(3));
        ended.set(&c, stream(4));
        let taken = ["a", "b", "c"].map(|page| ended.take(page));
        assert_eq!(taken, [stream(3), None, stream(4)]);
        assert_eq!(ended.take("a"), None, "once");
        ended.set(&a, stream(5));
        ended.set(&a, None);
        assert_eq!(ended.take("a"), None, "with a loss");
        let state = ended.here();
        assert!(state.streams.is_empty() && state.by_age.is_empty());
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn what_is_put_back_is_the_last_stream_unless_another_server_has_had_one_since() {
        use crate::log::EntryId;

        let ended = EndedStreams::new(2);
        let page: Arc<str> = "page".into();
        let stream = |number, place| EndedStream {
            number,
            epoch: 7,
            needed: 1,
            place,
        };
        let at = |time| Offset::before(EntryId::new(time, 0));
        for place in [EndedOn::Here, EndedOn::Elsewhere] {
            let (first, later) = (stream(1, place), stream(2, EndedOn::Elsewhere));
            ended.put_back(&page, first);
            assert_eq!(ended.take(&page), Some(first));
            ended.set_elsewhere(&page, later, at(5));
            ended.put_back(&page, first);
            assert_eq!(ended.take(&page), Some(later));
            assert_eq!(ended.take(&page), None);
        }
        // If it is forgotten, all pages from before may have lost something.
        ended.put_back(&page, stream(1, EndedOn::Elsewhere));
        for number in 0..MAX_ELSEWHERE {
            let page = number.to_string().as_str().into();
            ended.set_elsewhere(&page, stream(1, EndedOn::Elsewhere), at(3));
        }
        assert!(ended.may_have_lost(at(4)) && !ended.may_have_lost(at(5)));
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn the_forgotten_losses_of_other_servers_hold_all_pages_from_before() {
        use crate::log::EntryId;

        let ended = EndedStreams::new(1);
        let at = |time: usize| Offset::before(EntryId::new(time as u64, 0));
        let stream = |number, needed| EndedStream {
            number,
            epoch: 7,
            needed,
            place: EndedOn::Elsewhere,
        };
        for number in 0..=MAX_ELSEWHERE {
            let page = number.to_string().as_str().into();
            ended.set_elsewhere(&page, stream(number as u64, 0), at(number + 1));
        }
        assert!(!ended.may_have_lost(at(0)), "nothing was lost");
        assert_eq!(ended.take("0"), None);
        let [lost, other]: [Arc<str>; 2] = ["lost", "other"].map(Into::into);
        // The last end counts, wherever it was.
        ended.set_elsewhere(&other, stream(5, 0), at(99_998));
        ended.set(&other, Some(stream(6, 0)));
        assert_eq!(ended.take("other"), Some(stream(6, 0)));
        assert_eq!(ended.take("other"), None);
        ended.set_elsewhere(&lost, stream(1, u64::MAX), at(100_000));
        // A page that ends here since is not elsewhere.
        ended.set(&other, Some(stream(2, 0)));
        ended.set_elsewhere(&other, stream(3, 4), at(100_001));
        assert_eq!(ended.take("other"), Some(stream(3, 4)));
        for number in 0..MAX_ELSEWHERE {
            let page = format!("later {number}").as_str().into();
            ended.set_elsewhere(&page, stream(number as u64, 0), at(200_000));
        }
        assert!(ended.may_have_lost(at(99_999)) && !ended.may_have_lost(at(100_000)));
    }
}
