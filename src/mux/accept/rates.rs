//! How often something may happen in a second on the way in, for all workers together.

use std::sync::Arc;
use std::time::Instant;

use fastway_service::SharedRate;

use crate::mux::config::Settings;

/// The rates of the whole process.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Connections accepted on the client port.
    pub(crate) accepts: SharedRate,
    /// Handshakes computed to open secure sessions.
    opens: Arc<SharedRate>,
    /// Handshakes computed to resume sessions.
    resumes: Arc<SharedRate>,
}

/// The part of one worker in a rate. It is sure of an equal part, so that the peers of another worker keep none of its own
/// out; and it takes what the others leave.
#[derive(Debug)]
pub(crate) struct RateShare {
    all: Arc<SharedRate>,
    own: SharedRate,
}

/// What something was counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// As one of the worker's own part.
    Own,
    /// As one of those that the others leave.
    Left,
}

impl Rates {
    /// Nothing has happened yet.
    pub(crate) fn new(settings: &Settings, now: Instant) -> Arc<Self> {
        let handshakes = settings.sessions.max_handshakes_per_second;
        Arc::new(Self {
            accepts: SharedRate::new(settings.limits.max_accepts_per_second, now),
            opens: Arc::new(SharedRate::new(handshakes, now)),
            resumes: Arc::new(SharedRate::new(handshakes, now)),
        })
    }

    /// Has new settings hold from now on. The workers' parts follow when the workers take them.
    pub(crate) fn apply(&self, settings: &Settings) {
        self.accepts.set(settings.limits.max_accepts_per_second);
        self.opens.set(settings.sessions.max_handshakes_per_second);
        self.resumes.set(settings.sessions.max_handshakes_per_second);
    }

    /// The part of one of `workers` in handshakes that open sessions.
    pub(crate) fn share_of_opens(&self, workers: usize) -> RateShare {
        RateShare::new(&self.opens, workers)
    }

    /// The part of one of `workers` in handshakes that resume sessions.
    pub(crate) fn share_of_resumes(&self, workers: usize) -> RateShare {
        RateShare::new(&self.resumes, workers)
    }
}

impl RateShare {
    fn new(all: &Arc<SharedRate>, workers: usize) -> Self {
        Self { own: all.part(workers), all: Arc::clone(all) }
    }

    /// Whether it may happen now; if so, it counts.
    pub(crate) fn afford(&self, now: Instant) -> Option<Spent> {
        if self.own.afford(now) {
            self.all.spend(now);
            return Some(Spent::Own);
        }
        self.all.afford(now).then_some(Spent::Left)
    }

    /// What was counted did not happen after all.
    pub(crate) fn give_back(&self, spent: Spent) {
        self.all.give_back();
        if spent == Spent::Own {
            self.own.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many handshakes each of four workers computes in ten seconds, of which those in `busy` have always one to compute.
    fn computed(per_second: u32, busy: &[usize]) -> [usize; 4] {
        let start = Instant::now();
        let mut settings = Settings::default();
        settings.sessions.max_handshakes_per_second = Some(per_second);
        let rates = Rates::new(&settings, start);
        let shares = [(); 4].map(|()| rates.share_of_opens(4));
        let mut computed = [0; 4];
        for milli in 0..10_000 {
            for worker in busy {
                computed[*worker] +=
                    usize::from(shares[*worker].afford(start + Duration::from_millis(milli)).is_some());
            }
        }
        computed
    }

    #[test]
    fn the_bound_is_one_of_all_workers_and_each_is_sure_of_its_part() {
        for (per_second, busy, least_each) in
            [(100, &[0][..], 990), (100, &[0, 3], 250), (100, &[0, 1, 2, 3], 240), (3, &[0, 1, 2, 3], 7), (3, &[2], 29)]
        {
            let computed = computed(per_second, busy);
            let total: usize = computed.iter().sum();
            let most = 10 * per_second as usize * 11 / 10 + 8;
            assert!(total <= most && total + 2 >= 10 * per_second as usize, "{per_second} by {busy:?}: {computed:?}");
            assert!(
                busy.iter().all(|worker| computed[*worker] >= least_each),
                "{per_second} by {busy:?}: {computed:?}"
            );
        }
    }

    #[test]
    fn what_did_not_happen_may_happen_again() {
        let now = Instant::now();
        let mut settings = Settings::default();
        settings.sessions.max_handshakes_per_second = Some(1);
        let rates = Rates::new(&settings, now);
        let share = rates.share_of_resumes(2);
        let own = share.afford(now).unwrap();
        assert_eq!((own, share.afford(now)), (Spent::Own, None));
        share.give_back(own);
        assert_eq!(share.afford(now), Some(Spent::Own));
        assert_eq!(rates.share_of_opens(2).afford(now), Some(Spent::Own), "opens spend nothing of what resumes need");
    }
}
