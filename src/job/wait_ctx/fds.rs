//! The descriptors of a wait context: registered, found, cleared and listed. The picture at the head of
//! [`wait_ctx`](super) shows how an entry goes from list to list.

use std::any::Any;
use std::os::fd::RawFd;
use std::rc::Rc;

use super::{Changes, Cleanup, Entry, Mark, WaitCtx, WaitKey};
use crate::job::wait_fd::{ChangedFds, FoundFd, Registered, WaitFd};

impl WaitCtx {
    /// Registers `fd` under `key`. The same key may be registered again: the newest registration hides the
    /// older ones until it is cleared (statements 7 to 9). `cleanup` is called when the context ends, unless
    /// the registration was cleared. On a context that has ended already (held by a
    /// [`WaitCtxRef`](super::WaitCtxRef)) it is called at once.
    ///
    /// The context holds a handle to the fd until its cleanup has returned. A cleared fd is listed as deleted
    /// until the job's next resume, and is held that long.
    pub fn set_wait_fd(
        &self,
        key: WaitKey,
        fd: impl Into<WaitFd>,
        data: Option<Rc<dyn Any>>,
        cleanup: Option<Cleanup>,
    ) {
        self.register(key, Registered::open(fd.into()), data, cleanup);
    }

    /// Registers a number, as C does; otherwise like [`set_wait_fd`](Self::set_wait_fd). The context does not
    /// check whether an fd with this number is open. Therefore the number is in no list of [`WaitFd`]s
    /// ([`all_fds`](Self::all_fds), [`changed_fds`](Self::changed_fds)), and [`is_woken`](Self::is_woken)
    /// does not look at it. [`all_raw_fds`](Self::all_raw_fds) and [`changed_raw_fds`](Self::changed_raw_fds)
    /// list it.
    ///
    /// For foreign code's fd that stays open, `set_wait_fd` takes a
    /// [`BorrowedFd`](std::os::fd::BorrowedFd)`<'static>`.
    pub fn set_raw_fd(
        &self,
        key: WaitKey,
        number: RawFd,
        data: Option<Rc<dyn Any>>,
        cleanup: Option<Cleanup>,
    ) {
        self.register(key, Registered::Number(number), data, cleanup);
    }

    fn register(&self, key: WaitKey, fd: Registered, data: Option<Rc<dyn Any>>, cleanup: Option<Cleanup>) {
        if self.is_freed() {
            if let Some(cleanup) = cleanup {
                cleanup(self, key, fd.number(), data);
            }
            return;
        }
        self.shared.entries.borrow_mut().push(Entry {
            key,
            fd,
            data,
            cleanup,
            mark: Mark::Added,
            ending: false,
        });
        self.shared.more(Changes::ADDED);
    }

    /// The newest registration under `key` (statement 11).
    pub fn fd(&self, key: WaitKey) -> Option<FoundFd> {
        let entries = self.shared.entries.borrow();
        let entry = entries.iter().rev().find(|entry| entry.is_live(key))?;
        let (number, fd) = (entry.fd.number(), entry.fd.fd().cloned());
        Some(FoundFd { number, fd, data: entry.data.clone() })
    }

    /// Clears the newest registration under `key`; `false` when there is none. Its cleanup is never called:
    /// the caller takes the descriptor back (statements 15 to 17).
    pub fn clear_fd(&self, key: WaitKey) -> bool {
        let mut entries = self.shared.entries.borrow_mut();
        let Some(at) = entries.iter().rposition(|entry| entry.is_live(key)) else { return false };
        if entries[at].mark == Mark::Plain {
            entries[at].mark = Mark::Deleted;
            self.shared.more(Changes::DELETED);
            return true;
        }
        let cleared = entries.remove(at);
        self.shared.fewer(Changes::ADDED);
        drop(entries);
        // The entry's data may be the last reference to something that uses this context.
        drop(cleared);
        true
    }

    /// All registered descriptors, newest first (statement 12), as handles that keep them open. Numbers
    /// ([`set_raw_fd`](Self::set_raw_fd)) are not listed.
    pub fn all_fds(&self) -> Vec<WaitFd> {
        let mut fds = Vec::new();
        self.all_fds_into(&mut fds);
        fds
    }

    /// Like [`all_fds`](Self::all_fds), but fills the caller's vector, which is emptied first.
    pub fn all_fds_into(&self, fds: &mut Vec<WaitFd>) {
        fds.clear();
        let entries = self.shared.entries.borrow();
        let registered = entries.iter().rev().filter(|entry| entry.is_registered());
        fds.extend(registered.filter_map(|entry| entry.fd.fd()).cloned());
    }

    /// The numbers of all registrations, newest first. Some may name no open fd
    /// ([`set_raw_fd`](Self::set_raw_fd)).
    pub fn all_raw_fds(&self) -> Vec<RawFd> {
        let mut fds = Vec::new();
        self.for_each_raw_fd(|fd| fds.push(fd));
        fds
    }

    /// Calls `each` for what [`all_raw_fds`](Self::all_raw_fds) lists. `each` may use the context.
    pub fn for_each_raw_fd(&self, mut each: impl FnMut(RawFd)) {
        let mut at = self.shared.entries.borrow().len();
        while let Some((below, fd)) = self.next_below(at) {
            at = below;
            each(fd);
        }
    }

    /// How many descriptors and numbers are registered.
    pub fn num_fds(&self) -> usize {
        self.shared.entries.borrow().iter().filter(|entry| entry.is_registered()).count()
    }

    /// The descriptors that were registered and cleared since the job was last resumed. Reading the lists
    /// resets nothing (statement 13); the next resume does (statement 18). Numbers
    /// ([`set_raw_fd`](Self::set_raw_fd)) are not listed.
    pub fn changed_fds(&self) -> ChangedFds {
        let mut changed = ChangedFds::default();
        self.changed_fds_into(&mut changed);
        changed
    }

    /// Like [`changed_fds`](Self::changed_fds), but fills the caller's lists, which are emptied first.
    pub fn changed_fds_into(&self, changed: &mut ChangedFds) {
        self.list_changed(changed, |fd| fd.fd().cloned());
    }

    /// Like [`changed_fds`](Self::changed_fds), by number. Some may name no open fd
    /// ([`set_raw_fd`](Self::set_raw_fd)).
    pub fn changed_raw_fds(&self) -> ChangedFds<RawFd> {
        let mut changed = ChangedFds::default();
        self.list_changed(&mut changed, |fd| Some(fd.number()));
        changed
    }

    fn list_changed<F>(&self, changed: &mut ChangedFds<F>, listed: impl Fn(&Registered) -> Option<F>) {
        changed.added.clear();
        changed.deleted.clear();
        if self.num_changed() == (0, 0) {
            return;
        }
        for entry in self.shared.entries.borrow().iter().rev() {
            match entry.mark {
                Mark::Added => changed.added.extend(listed(&entry.fd)),
                Mark::Deleted => changed.deleted.extend(listed(&entry.fd)),
                Mark::Plain => {}
            }
        }
    }

    /// How many descriptors [`changed_raw_fds`](Self::changed_raw_fds) would list: added, deleted.
    pub fn num_changed(&self) -> (usize, usize) {
        let changes = self.shared.changes.get();
        (changes.added(), changes.deleted())
    }

    /// The registered descriptor nearest below position `at`, with its position.
    fn next_below(&self, at: usize) -> Option<(usize, RawFd)> {
        let entries = self.shared.entries.borrow();
        let below = &entries[..at.min(entries.len())];
        below.iter().rposition(Entry::is_registered).map(|at| (at, below[at].fd.number()))
    }
}
