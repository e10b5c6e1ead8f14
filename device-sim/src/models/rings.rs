//! The ring and the doorbell.

use super::*;

#[test]
fn ring_hands_over_in_order() {
    hands_over_in_order(Consumer::pop);
}

/// Looking ahead, and taking what is there some at a time.
#[test]
fn ring_hands_over_some_at_a_time_in_order() {
    hands_over_in_order(|consumer| {
        let expected: Vec<_> = consumer.coming(2).collect();
        let entry = consumer.entries(1).next();
        if let (Some(expected), Some(entry)) = (expected.first(), entry) {
            assert_eq!(*expected, entry[0]);
        }
        consumer.pass(u64::from(entry.is_some()));
        consumer.look_ahead(1);
        entry
    });
}

fn hands_over_in_order(pop: fn(&mut Consumer) -> Option<Entry>) {
    model(move || {
        let (mut producer, mut consumer) = ring(2);
        let writer = thread::spawn(move || {
            for value in 1..=3 {
                while !producer.push([value, value * 10]) {
                    yield_now();
                }
                producer.publish();
            }
        });
        for value in 1..=3 {
            let entry = loop {
                match pop(&mut consumer) {
                    Some(entry) => break entry,
                    None => yield_now(),
                }
            };
            assert_eq!(entry, [value, value * 10]);
            consumer.publish();
        }
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
