//! The ring and the doorbell.

use super::*;

#[test]
fn ring_hands_over_in_order() {
    hands_over_in_order(2, |consumer| consumer.pop().into_iter().collect());
}

/// Looking ahead, and taking entries two at a time.
#[test]
fn ring_hands_over_some_at_a_time_in_order() {
    hands_over_in_order(4, |consumer| {
        let coming: Vec<_> = consumer.coming(4).collect();
        let entries: Vec<_> = consumer.entries(2).collect();
        consumer.pass(entries.len() as u64);
        consumer.look_ahead(2);
        // What was expected to come is the end of what came and what will.
        let last = coming.last().zip(entries.last());
        assert!(last.is_none_or(|(coming, entry)| *coming >= entry[0]));
        entries
    });
}

/// A note arrives with its entry, never before it or from the entry that had its place.
#[test]
fn ring_hands_over_notes_with_their_entries() {
    hands_over_in_order(2, |consumer| {
        let noted = consumer.pop_noted().into_iter();
        noted
            .inspect(|(entry, note)| assert_eq!([entry[0] + 7, entry[0] + 8], *note))
            .map(|(entry, _)| entry)
            .collect()
    });
}

fn hands_over_in_order(depth: usize, take: fn(&mut Consumer) -> Vec<Entry>) {
    model(move || {
        let count = 3;
        let (mut producer, mut consumer) = noted_ring(depth);
        let writer = thread::spawn(move || {
            for value in 1..=count {
                while !producer.push_noted([value, value * 10], [value + 7, value + 8]) {
                    yield_now();
                }
                producer.publish();
            }
        });
        let mut taken = Vec::new();
        while (taken.len() as u64) < count {
            let some = take(&mut consumer);
            if some.is_empty() {
                yield_now();
            } else {
                consumer.publish();
                taken.extend(some);
            }
        }
        assert_eq!(taken, (1..=count).map(|value| [value, value * 10]).collect::<Vec<_>>());
        writer.join().unwrap();
    });
}

#[test]
fn doorbell_loses_no_wake() {
    bounded_model(4, || {
        let doorbell = Arc::new(Doorbell::default());
        let work = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let hosts: Vec<_> = (0..2)
            .map(|host| {
                let (doorbell, work) = (Arc::clone(&doorbell), Arc::clone(&work));
                thread::spawn(move || {
                    work[host].store(true, Ordering::Relaxed);
                    doorbell.ring();
                })
            })
            .collect();
        doorbell.answer();
        // A lost wake is a deadlock, and loom reports it.
        let all = || work.iter().all(|work| work.load(Ordering::Relaxed));
        while !all() {
            doorbell.sleep(None, all);
        }
        hosts.into_iter().for_each(|host| host.join().unwrap());
    });
}
