//! A task that sleeps while no number is marked: every mark is taken, or has woken the task after its last
//! look.

use super::*;
use crate::sync::marks::{Looks, Marks};

/// Looks of the task while the marks are set.
const LOOKS: usize = 3;

/// Marks these numbers, each on a thread of its own, while the task takes marks and goes to sleep. When all
/// are marked, a task that nothing has woken since its last look began has them all.
fn all_are_taken(numbers: impl IntoIterator<Item = usize>) {
    let (marks, count) = (Arc::new(Marks::new(2)), Arc::new(Count::default()));
    let mut all = 0;
    let setters: Vec<_> = numbers
        .into_iter()
        .map(|number| {
            all |= 1 << number;
            let marks = Arc::clone(&marks);
            thread::spawn(move || marks.set(number))
        })
        .collect();
    let waker = Waker::from(Arc::clone(&count));
    let (mut seen, mut calls, mut sleeps) = (0, 0, false);
    let mut looks = Looks::default();
    let mut look = |seen: &mut u64| {
        while let Some(number) = looks.next(&marks) {
            *seen |= 1 << number;
        }
    };
    for _ in 0..LOOKS {
        calls = count.calls();
        marks.awake();
        look(&mut seen);
        sleeps = marks.sleep(&waker);
        if sleeps && count.calls() == calls {
            break;
        }
    }
    setters.into_iter().for_each(|setter| setter.join().unwrap());
    if !sleeps || count.calls() != calls {
        look(&mut seen);
    }
    assert_eq!(seen, all);
}

#[test]
fn a_mark_wakes_the_task_or_is_seen() {
    model(|| all_are_taken([1]));
}

#[test]
fn marks_of_two_threads_wake_the_task_or_are_seen() {
    bounded_model(3, || all_are_taken([0, 1]));
}
