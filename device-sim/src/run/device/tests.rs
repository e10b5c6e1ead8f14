//! A device whose worker does its last pass when its test says so.

use super::*;
use crate::message::request::Request;
use crate::queue::delivery::Delivery;
use crate::queue::interrupt::Interrupt;
use crate::run::signals::Signals;

/// A request becomes due in the pass in which the device closes, and no pass comes after that.
#[test]
fn the_interrupts_of_the_last_pass_are_sent() {
    for _ in 0..20 {
        let config = Config::parse("queue_pairs=1;completion_nsec=500000").unwrap();
        let (device, mut drivers) = Device::build(&config, 1, Clock::real()).unwrap();
        let (mut driver, mut pair) = (drivers.remove(0), device.take_queue_pairs().remove(0));
        let interrupt = Arc::new(Interrupt::new().unwrap());
        pair.remote().attach(Arc::clone(&interrupt));
        interrupt.arm();
        let request = Request::new(SessionId::NONE, Operation::Encrypt, vec![1; 16]);
        let _ = pair.submit(request, Delivery::Reap { owner: 0 }).unwrap();
        let (clock, mut signals) = (device.clock.clone(), Signals::default());
        assert!(driver.pass(clock.now(), &mut signals), "it is admitted");
        signals.send(&device.pairs);
        let due = driver.next_due().unwrap_or(0);
        while clock.now() <= due {}
        let (pairs, doorbell) = (device.pairs.clone(), Arc::clone(&device.doorbells[0]));
        drop(device);
        Worker::new(driver, pairs, doorbell, clock, &config).run();
        assert!(pair.remote().completions_pending());
        assert!(!interrupt.is_armed());
    }
}
