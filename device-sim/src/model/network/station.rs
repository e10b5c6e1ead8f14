//! A station with one server: the front stage, or one direction of the link.

use super::arbitration::{Arbitration, Waiting};
use super::requests::{Key, Passing, Requests};

/// What waits there, and its server.
#[derive(Debug)]
pub(crate) struct Station {
    waiting: Waiting<Key>,
    /// When the server has become free.
    free_at: u64,
    /// Which request it serves, and until when; one that is not known here is served elsewhere.
    serving: Option<(u64, Option<Key>)>,
}

impl Station {
    pub(crate) fn new(arbitration: &Arbitration, ports: usize) -> Self {
        Self { waiting: Waiting::new(arbitration, ports), free_at: 0, serving: None }
    }

    /// Its server is busy until then, with requests that are known elsewhere.
    pub(crate) fn busy_until(mut self, free_at: u64) -> Self {
        self.serving = Some((free_at, None));
        self
    }

    /// What waits goes on by another arbitration.
    pub(crate) fn change<T>(&mut self, arbitration: &Arbitration, ports: usize, requests: &Requests<T>) {
        self.waiting.change(arbitration, ports, |key| requests.place(*key));
    }

    /// A request arrives.
    pub(crate) fn push<T>(&mut self, at: u64, key: Key, requests: &mut Requests<T>) {
        let request = requests.at(key);
        request.arrived = at;
        self.waiting.push(request.work.port, key);
    }

    /// Serves until `now`; returns the next request that has ended, and when. `time` says how long one takes.
    pub(crate) fn serve<T>(
        &mut self,
        now: u64,
        requests: &Requests<T>,
        mut time: impl FnMut(&Passing<T>) -> u64,
    ) -> Option<(u64, Key)> {
        loop {
            if self.serving.is_none() {
                let key = self.waiting.next()?;
                let request = requests.get(key);
                let started = self.free_at.max(request.arrived);
                self.serving = Some((started.saturating_add(time(request)), Some(key)));
            }
            let (until, key) = self.serving.take_if(|(until, _)| *until <= now)?;
            self.free_at = until;
            if let Some(key) = key {
                return Some((until, key));
            }
        }
    }

    /// When the request that is being served ends.
    pub(crate) fn next(&self) -> Option<u64> {
        self.serving.map(|(until, _)| until)
    }

    pub(crate) fn waiting(&mut self) -> &mut Waiting<Key> {
        &mut self.waiting
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        (self.free_at, self.serving) = (0, None);
    }
}
