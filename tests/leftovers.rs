//! What a failure must not leave behind for what comes after it: a state, a wake, an output. (Found by the simulation.)

mod support;

use self::support::{IV, ctr, expected_ctr, message, stepped};

#[test]
fn a_piece_whose_output_was_short_is_done_again_from_where_it_began() {
    for mended_by in ["max_retries=1", "fallback=on"] {
        let engine = stepped(&format!("completion_nsec=1000;fault=short:nth=2;{mended_by}"));
        let mut stream = ctr(&engine).encryptor(&IV);
        let plain = message(1, 90);
        let mut sealed = Vec::new();
        for piece in plain.chunks(30) {
            sealed.extend(stream.update(piece.to_vec()).unwrap());
        }
        sealed.extend(stream.finish().unwrap());
        assert_eq!(sealed, expected_ctr(&plain), "{mended_by}");
        assert_eq!(engine.stats().device.faults.get("short"), Some(1));
        assert_eq!(engine.stats().retries + engine.stats().fallbacks, 1);
    }
}
