//! Replies, as a client reads them: any bytes are frames or a mistake, in pieces of any length the same.
//!
//! The first byte says how long the pieces are.
#![no_main]

use std::mem::{Discriminant, discriminant};

use libfuzzer_sys::fuzz_target;
use protocol::frame::{Frame, FrameError, FrameReader};

/// The kind of each frame, and how many bytes it took.
fn read(data: &[u8], piece: usize) -> (Vec<(Discriminant<Frame>, usize)>, Option<FrameError>) {
    let (mut reader, mut buffer, mut seen) = (FrameReader::default(), Vec::new(), Vec::new());
    for piece in data.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.read(&buffer) {
                Err(error) => return (seen, Some(error)),
                Ok(None) => break,
                Ok(Some((frame, used))) => {
                    // No more of it: a map of maps as keys keeps one of two that are equal, or both, by chance.
                    seen.push((discriminant(&frame), used));
                    buffer.drain(..used);
                }
            }
        }
    }
    (seen, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, data)) = data.split_first() else { return };
    let (whole, mistake) = read(data, data.len());
    let (pieces, mistake_again) = read(data, usize::from(piece));
    assert_eq!(whole, pieces);
    assert_eq!(mistake.is_some(), mistake_again.is_some());
});
